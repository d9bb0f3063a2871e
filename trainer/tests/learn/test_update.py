"""One update on a tiny policy: it learns, it reports honestly, and a bad batch leaves no trace."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch

from gyre_trainer.check import self_check
from gyre_trainer.contract.batch import Action, Batch, Hyper
from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.learn import loss, tree, update
from gyre_trainer.learn.policy import Policy
from gyre_trainer.learn.rate import rate_for

FAR = math.inf  # a bound no step reaches


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
    batch = on_policy(policy, Hyper(learning_rate=0.01, kl_bound=FAR))
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
    update.update(policy, update.optimizer_for(policy, None), on_policy(policy, Hyper(learning_rate=0.1, kl_bound=FAR)))
    assert all(torch.equal(p, frozen[n]) for n, p in policy.model.named_parameters() if not p.requires_grad)


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_non_finite_update_fails_and_leaves_the_weights(poison: str) -> None:
    policy = self_check.tiny_policy()
    batch = on_policy(policy, Hyper(learning_rate=0.01, epochs=2, kl_bound=FAR))
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
    batch = on_policy(straight, Hyper(learning_rate=0.01, kl_bound=FAR))
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
    batch = on_policy(policy, Hyper(loss="cross_entropy", learning_rate=0.01, epochs=3, kl_bound=FAR))
    batch = replace(batch, actions=tuple(Action(a.id, a.end, a.length, 1.0, (), 0.0, 1.0) for a in batch.actions))
    before = sum(totals(policy, batch))
    assert update.update(policy, update.optimizer_for(policy, None), batch)["mean_abs_logprob_gap"] is None
    assert sum(totals(policy, batch)) > before


def state_of(policy: Policy, optimizer: update.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    return policy.snapshot(), copy.deepcopy(optimizer.adam.state_dict())


def assert_same(
    one: tuple[dict[str, torch.Tensor], dict[str, object]], two: tuple[dict[str, torch.Tensor], dict[str, object]]
) -> None:
    """Bit for bit, Adam's moments, counts and settings too."""
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def trained(
    hyper: Hyper, updates: int = 2
) -> tuple[dict[str, object], tuple[dict[str, torch.Tensor], dict[str, object]]]:
    """Metrics and state after `updates` of one batch each; the first ones small and unbounded, so Adam has moments."""
    policy = self_check.tiny_policy()
    optimizer = update.optimizer_for(policy, None)
    batch = on_policy(policy, Hyper(learning_rate=1e-3, kl_bound=FAR))
    for _ in range(updates - 1):
        update.update(policy, optimizer, batch)
    metrics = update.update(policy, optimizer, replace(batch, hyper=hyper))
    return metrics, state_of(policy, optimizer)


def test_an_update_without_a_step_moves_nothing() -> None:
    metrics, _ = trained(Hyper(learning_rate=0.0, kl_bound=1e-7))
    assert metrics["step_scale"] == 1.0
    assert isinstance(metrics["kl_base"], float) and metrics["kl_base"] > 0  # the tiny policy's adapter is not zero


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("epochs", [1, 3])
def test_too_large_a_step_is_halved_once_and_is_then_exactly_an_update_at_half_the_rate(
    updates: int, epochs: int
) -> None:
    def asked(rate: float, bound: float) -> Hyper:
        return Hyper(learning_rate=rate, epochs=epochs, kl_bound=bound)

    whole, _ = trained(asked(2e-3, FAR), updates)
    half, at_half = trained(asked(1e-3, FAR), updates)
    assert isinstance(whole["kl_before"], float) and isinstance(half["kl_before"], float)
    assert whole["kl_before"] > 1.2 * half["kl_before"] > 0
    halved, state = trained(asked(2e-3, (whole["kl_before"] + half["kl_before"]) / 2), updates)
    assert_same(state, at_half)
    assert (halved["step_scale"], halved["learning_rate"]) == (0.5, 1e-3)
    assert halved["kl_full_step"] == whole["kl_before"]
    for key in ("loss", "grad_norm", "ratio_histogram", "kl_before", "kl_base", "entropy"):
        assert halved[key] == half[key], key


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_a_refused_update_says_why_and_leaves_weights_and_moments_bit_for_bit(epochs: int, first: bool) -> None:
    policy = self_check.tiny_policy()
    optimizer = update.optimizer_for(policy, None)
    batch = on_policy(policy, Hyper(learning_rate=1e-3, kl_bound=FAR))
    if not first:
        update.update(policy, optimizer, batch)
    before = state_of(policy, optimizer)
    far = replace(batch, hyper=Hyper(learning_rate=1.0, epochs=epochs, kl_bound=0.005))
    with pytest.raises(
        TrainerError, match=r"rate 1 would move .* 0\.005 are allowed; .* set a lower learning\.rate"
    ) as caught:
        update.update(policy, optimizer, far)
    assert caught.value.code == "kl_bound" and caught.value.side == "trainer"
    assert_same(state_of(policy, optimizer), before)
    assert all(parameter.grad is None for parameter in optimizer.parameters)


def test_weights_that_give_no_probabilities_are_refused_too() -> None:
    policy = self_check.tiny_policy()
    before = policy.snapshot()
    with pytest.raises(TrainerError, match="nan nats") as caught:
        update.update(policy, update.optimizer_for(policy, None), on_policy(policy, Hyper(learning_rate=1e30)))
    assert caught.value.code == "kl_bound"
    torch.testing.assert_close(policy.snapshot(), before, rtol=0, atol=0)


def test_what_fails_in_a_later_epoch_leaves_adams_moments_too() -> None:
    policy = self_check.tiny_policy()
    optimizer = update.optimizer_for(policy, None)
    batch = on_policy(policy, Hyper(learning_rate=1e-3, epochs=3, kl_bound=FAR))
    update.update(policy, optimizer, batch)
    before = state_of(policy, optimizer)
    calls: list[int] = []

    def poison(gradient: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return gradient * (math.inf if len(calls) == 2 else 1)

    handle = next(iter(policy.parameters().values())).register_hook(poison)
    with pytest.raises(TrainerError, match="epoch 1; the weights are unchanged"):
        update.update(policy, optimizer, batch)
    handle.remove()
    assert_same(state_of(policy, optimizer), before)


def test_a_batch_that_names_no_rate_is_trained_at_that_of_the_models_width() -> None:
    assert rate_for(576) == 2e-4  # the packaged model's, to the last bit
    assert rate_for(2000) * 10**0.781 == pytest.approx(rate_for(200))
    unnamed, state = trained(Hyper(kl_bound=FAR), 1)
    named, same = trained(Hyper(learning_rate=rate_for(32), kl_bound=FAR), 1)  # 32 is the tiny policy's width
    assert unnamed["learning_rate"] == named["learning_rate"] == rate_for(32) > rate_for(576)
    assert_same(state, same)


def test_every_token_has_a_place_in_the_histogram_of_ratios() -> None:
    policy = self_check.tiny_policy()
    batch = on_policy(policy, Hyper(kl_bound=FAR))
    off = [1.0, 3.0, 0.1, 1.03]  # pi / mu of the first action's first tokens; the others' is 1
    moved = tuple(
        value - math.log(off[i]) if i < len(off) else value for i, value in enumerate(batch.actions[0].logprobs)
    )
    batch = replace(batch, actions=(replace(batch.actions[0], logprobs=moved), *batch.actions[1:]))
    metrics = update.update(policy, update.optimizer_for(policy, None), batch)
    histogram = metrics["ratio_histogram"]
    assert histogram["edges"] == list(loss.RATIO_EDGES)
    tokens = metrics["action_tokens"]
    assert histogram["tokens"] == [1, 0, 0, 0, 0, tokens - 3, 1, 0, 0, 0, 1]
    assert metrics["mean_length"] == pytest.approx(tokens / len(batch.actions))


def test_the_metrics_are_json_whatever_happened() -> None:
    for hyper in (Hyper(learning_rate=0.01, kl_bound=FAR), Hyper(loss="cross_entropy", kl_bound=FAR)):
        metrics, _ = trained(hyper, 1)
        assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
