"""How far an update moved the policy: against distributions worked out row by row, and where it is measured."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from gyre_trainer.check import self_check
from gyre_trainer.contract.batch import Action, Tree
from gyre_trainer.learn import movement, tree
from gyre_trainer.learn.policy import Policy


def action(end: int, length: int) -> Action:
    return Action(str(end), end, length, 1.0, (0.0,) * length, 1.0, 1.0)


def distributions(policy: Policy, forest: Tree, actions: tuple[Action, ...]) -> list[Categorical]:
    """Of each action token, from one whole row an action and all logits at once."""
    found = []
    for one in actions:
        rows, (alone,) = self_check.unpacked(forest, (one,))
        with torch.no_grad():
            logits = policy.head.logits(policy.hidden(tree.plan(rows, 4096)))
        places = range(alone.end - alone.length, alone.end)
        found += [Categorical(logits=(logits[place] / one.temperature).double()) for place in places]
    return found


def yardstick_of(policy: Policy, forest: Tree, actions: tuple[Action, ...]) -> movement.Yardstick:
    whole = tree.targets(forest, actions)
    with torch.no_grad():
        states = policy.states(tree.plan(forest), whole)
    return movement.Yardstick(policy, movement.probe_of(forest, actions, whole, "cpu"), states)


def shifted(policy: Policy) -> None:
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in policy.parameters().values():
            parameter.add_(torch.randn(parameter.shape) * 0.05)


def test_divergences_and_entropy_are_those_of_the_whole_distributions() -> None:
    policy = self_check.tiny_policy()
    forest, every = self_check.branching_tree(97)
    actions = every[:-1]  # as many as are looked at, of all three states and both temperatures
    yardstick = yardstick_of(policy, forest, actions)
    before = distributions(policy, forest, actions)
    shifted(policy)
    moved = yardstick.moved()
    now = distributions(policy, forest, actions)
    policy.load({k: v if "lora_A" in k else torch.zeros_like(v) for k, v in policy.snapshot().items()})  # the base
    base = distributions(policy, forest, actions)

    def mean(values: list[torch.Tensor]) -> float:
        return float(torch.stack(values).mean())

    assert moved.kl_before == pytest.approx(
        mean([kl_divergence(b, n) for b, n in zip(before, now, strict=True)]), rel=1e-4
    )
    assert moved.kl_base == pytest.approx(mean([kl_divergence(n, z) for n, z in zip(now, base, strict=True)]), rel=1e-4)
    assert moved.entropy == pytest.approx(mean([n.entropy() for n in now]), rel=1e-5)
    assert moved.kl_before > 0.001 and moved.kl_base > 0.001


def test_a_policy_that_has_not_moved_is_at_distance_zero_and_the_adapter_is_on_again() -> None:
    policy = self_check.tiny_policy()
    forest, actions = self_check.branching_tree(97)
    probe = movement.probe_of(forest, actions, tree.targets(forest, actions), "cpu")
    with torch.no_grad():
        own = policy.logprobs(probe.plan, probe.targets)
        yardstick = yardstick_of(policy, forest, actions)
        assert torch.equal(policy.logprobs(probe.plan, probe.targets), own)
        with policy.base():
            assert not torch.allclose(policy.logprobs(probe.plan, probe.targets), own)
    assert yardstick.moved().kl_before < 1e-7


def test_an_adapter_that_changes_nothing_is_the_base() -> None:
    policy = self_check.tiny_policy()
    policy.reset(3)
    forest, actions = self_check.branching_tree(97)
    moved = yardstick_of(policy, forest, actions).moved()
    assert moved.kl_before < 1e-7 and moved.kl_base == 0.0 and 0 < moved.entropy < math.log(97)


def test_weights_that_are_no_numbers_give_no_number() -> None:
    policy = self_check.tiny_policy()
    forest, actions = self_check.branching_tree(97)
    yardstick = yardstick_of(policy, forest, actions)
    with torch.no_grad():
        next(iter(policy.parameters().values())).fill_(math.nan)
    assert math.isnan(yardstick.moved().kl_before)


def test_a_part_of_the_tree_gives_its_actions_the_log_probabilities_they_have_in_the_whole() -> None:
    policy = self_check.tiny_policy()
    forest, actions = self_check.branching_tree(97)
    chosen = (actions[1], actions[5], actions[6])
    part, same, nodes = movement.part_of(forest, chosen)
    assert len(part.tokens) < len(forest.tokens)
    assert [forest.tokens[node] for node in nodes] == list(part.tokens)
    with torch.no_grad():
        whole = policy.logprobs(tree.plan(forest), tree.targets(forest, chosen))
        assert torch.allclose(policy.logprobs(tree.plan(part), tree.targets(part, same)), whole, atol=1e-5)


def test_actions_are_looked_at_all_over_the_batch_within_two_bounds() -> None:
    few = tuple(action(i, 3) for i in range(5))
    assert movement.spread(few) == few
    many = movement.spread(tuple(action(i, 3) for i in range(160)))
    assert [one.end for one in many] == list(range(10, 160, 20))
    long = movement.spread((action(0, 5000), *(action(i, 1000) for i in range(1, 8))))
    assert [one.length for one in long] == [5000]  # one is always looked at
    assert sum(one.length for one in movement.spread(tuple(action(i, 300) for i in range(8)))) == 1800
