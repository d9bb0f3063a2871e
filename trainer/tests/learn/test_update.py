"""One update on a tiny policy: it learns, it reports honestly, and a bad batch leaves no trace."""

import math
from dataclasses import replace

import pytest
import torch

from gyre_trainer.check import self_check
from gyre_trainer.contract.batch import Action, Batch, Hyper
from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.learn import tree, update
from gyre_trainer.learn.policy import Policy


def on_policy(policy: Policy, hyper: Hyper) -> Batch:
    """The branching tree with mu = the policy's own numbers."""
    forest, actions = self_check.branching_tree(97)
    with torch.no_grad():
        rows = policy.logprobs(tree.plan(forest), tree.targets(forest, actions)).split([a.length for a in actions])
    own = tuple(replace(action, logprobs=tuple(row.tolist())) for action, row in zip(actions, rows, strict=True))
    return Batch("b", "resample", 0, 1, "", hyper, forest, own, logical_tokens=500)


def totals(policy: Policy, batch: Batch) -> list[float]:
    with torch.no_grad():
        values = policy.logprobs(tree.plan(batch.tree), tree.targets(batch.tree, batch.actions))
    return [row.sum().item() for row in values.split([a.length for a in batch.actions])]


def test_an_update_raises_what_was_rewarded_and_lowers_what_was_not() -> None:
    policy = self_check.tiny_policy()
    batch = on_policy(policy, Hyper(learning_rate=0.01))
    before = totals(policy, batch)
    metrics = update.update(policy, update.optimizer_for(policy, None), batch)
    gain = [
        (now - then) * action.advantage
        for now, then, action in zip(totals(policy, batch), before, batch.actions, strict=True)
    ]
    assert sum(gain) > 0
    assert metrics["ratio_mean"] == pytest.approx(1.0, abs=1e-4) and metrics["kl_k3"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["mean_abs_logprob_gap"] < 1e-5 and metrics["vetoed"] == 0 and metrics["grad_norm"] > 0


def test_every_distinct_token_is_computed_once_and_sharing_is_reported() -> None:
    policy = self_check.tiny_policy()
    metrics = update.update(policy, update.optimizer_for(policy, None), on_policy(policy, Hyper()))
    assert metrics["computed_per_distinct"] == 1.0
    assert metrics["sharing"] == pytest.approx(500 / metrics["tokens_computed"])


def test_base_weights_never_change() -> None:
    policy = self_check.tiny_policy()
    frozen = {n: p.clone() for n, p in policy.model.named_parameters() if not p.requires_grad}
    update.update(policy, update.optimizer_for(policy, None), on_policy(policy, Hyper(learning_rate=0.1)))
    assert all(torch.equal(p, frozen[n]) for n, p in policy.model.named_parameters() if not p.requires_grad)


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_non_finite_update_fails_and_leaves_the_weights(poison: str) -> None:
    policy = self_check.tiny_policy()
    batch = on_policy(policy, Hyper(learning_rate=0.01, epochs=2))
    if poison == "loss":
        batch = replace(batch, actions=(replace(batch.actions[0], advantage=1e39), *batch.actions[1:]))
    else:
        handle = next(iter(policy.parameters().values())).register_hook(lambda g: g * math.inf)
    before = policy.snapshot()
    with pytest.raises(TrainerError, match="weights are unchanged") as caught:
        update.update(policy, update.optimizer_for(policy, None), batch)
    assert caught.value.code == "non_finite"
    assert all(torch.equal(before[name], now) for name, now in policy.snapshot().items())
    if poison == "gradient":
        handle.remove()


def test_adam_goes_on_from_a_saved_state_as_if_never_stopped() -> None:
    straight, resumed = self_check.tiny_policy(), self_check.tiny_policy()
    batch = on_policy(straight, Hyper(learning_rate=0.01))
    one = update.optimizer_for(straight, None)
    for _ in range(2):
        update.update(straight, one, batch)
    two = update.optimizer_for(resumed, None)
    update.update(resumed, two, batch)
    update.update(resumed, update.optimizer_for(resumed, two.adam.state_dict()), batch)
    for name, value in straight.snapshot().items():
        assert torch.allclose(value, resumed.snapshot()[name], atol=1e-7)


def test_cross_entropy_makes_the_shown_actions_likelier() -> None:
    policy = self_check.tiny_policy()
    batch = on_policy(policy, Hyper(loss="cross_entropy", learning_rate=0.01, epochs=3))
    batch = replace(batch, actions=tuple(Action(a.id, a.end, a.length, 1.0, (), 0.0, 1.0) for a in batch.actions))
    before = sum(totals(policy, batch))
    assert update.update(policy, update.optimizer_for(policy, None), batch)["mean_abs_logprob_gap"] is None
    assert sum(totals(policy, batch)) > before
