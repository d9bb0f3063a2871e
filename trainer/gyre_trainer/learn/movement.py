"""How far an update moved the policy: exact divergences over the whole vocabulary, where the batch's actions are.

A k3 estimate from the sampled tokens alone would need the tokens to be the measured policy's own, which those of the
modes `logged` and `sft` are not, and would rest on the few tokens that moved; summing over the vocabulary needs neither
and costs a product that is small beside the model's. A part of the batch is enough for a mean: three more passes over
all of it would double the time of an update.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gyre_trainer.contract.batch import Action, Tree
from gyre_trainer.learn import tree
from gyre_trainer.learn.policy import Policy

ACTIONS, TOKENS = 8, 2048  # looked at in one update, at most; one action is always looked at
CHUNK = 128  # positions at a time: three distributions of 128 x 49152 float32 are 75 MB


@dataclass(frozen=True)
class Probe:
    """Where it is measured: some of the batch's actions, and of its tree the nodes these need."""

    plan: tree.Plan
    targets: tree.Targets
    rows: torch.Tensor  # int64 [R], where the targets' rows stand among those of the whole batch
    actions: int

    @property
    def tokens(self) -> int:
        return len(self.targets.token_entry)


@dataclass(frozen=True)
class Moved:
    """Means over the probe's action tokens, in nats, at the temperature each action was drawn with."""

    kl_before: float  # KL(policy before || policy now)
    kl_base: float  # KL(policy now || base)
    entropy: float  # of the policy now


def probe_of(forest: Tree, actions: tuple[Action, ...], whole: tree.Targets, device: str) -> Probe:
    """The same batch gives the same probe: a retry and a resumed update measure where the first try did. `whole` are
    the targets of all actions.
    """
    part, chosen, nodes = part_of(forest, spread(actions))
    targets = tree.targets(part, chosen)
    rows = torch.searchsorted(whole.rows, torch.tensor(nodes)[targets.rows])
    return Probe(tree.plan(part, tree.block_for(device)), targets, rows, len(chosen))


def spread(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Up to ACTIONS actions at even distances, so that every part of the batch has its share, of TOKENS in all."""
    count = min(ACTIONS, len(actions))
    evenly = [actions[(2 * i + 1) * len(actions) // (2 * count)] for i in range(count)]
    chosen: list[Action] = []
    for action in evenly:
        if not chosen or sum(a.length for a in chosen) + action.length <= TOKENS:
            chosen.append(action)
    return tuple(chosen)


def part_of(forest: Tree, actions: tuple[Action, ...]) -> tuple[Tree, tuple[Action, ...], list[int]]:
    """The nodes on the actions' paths, in the order they had (so still depth-first), the actions on them, and which
    nodes they were.
    """
    needed: set[int] = set()
    for action in actions:
        node = action.end
        while node >= 0 and node not in needed:
            needed.add(node)
            node = forest.parent[node]
    kept = sorted(needed)
    place = {node: i for i, node in enumerate(kept)} | {-1: -1}
    part = Tree(tuple(forest.tokens[node] for node in kept), tuple(place[forest.parent[node]] for node in kept))
    moved = tuple(
        Action(a.id, place[a.end], a.length, a.temperature, a.logprobs, a.advantage, a.weight) for a in actions
    )
    return part, moved, kept


class Yardstick:
    """A policy and the base under it: what `moved` measures a later policy against.

    `states` are those of the whole batch under the policy before, which the update's own first pass has: one pass less.
    They come out of other products than those of a part, so a policy that has not moved is away by what rounding makes
    of that.
    """

    def __init__(self, policy: Policy, probe: Probe, states: torch.Tensor) -> None:
        self._policy, self._probe = policy, probe
        self._before = states[probe.rows.to(states.device)]
        with policy.base():
            self._base = self._states()

    def _states(self) -> torch.Tensor:
        with torch.no_grad():
            return self._policy.states(self._probe.plan, self._probe.targets)

    def moved(self) -> Moved:
        """From the policy's weights of now. Not finite where those give no probabilities."""
        states = (self._states(), self._before, self._base)
        targets = self._probe.targets.to(self._policy.device)
        measured = torch.cat(list(self._measured(states, targets)))
        # A position counts once for each action token drawn there: the mean is one over tokens, as the loss has it.
        kl_before, kl_base, entropy = measured[targets.entry_pair[targets.token_entry]].double().mean(0).tolist()
        return Moved(kl_before, kl_base, entropy)

    def _measured(
        self, states: tuple[torch.Tensor, torch.Tensor, torch.Tensor], targets: tree.Targets
    ) -> Iterator[torch.Tensor]:
        """[pairs, 3] chunk by chunk: both divergences and the entropy at each position."""
        head = self._policy.head
        for first in range(0, len(targets.pair_row), CHUNK):
            pairs = slice(first, first + CHUNK)
            row, temperature = targets.pair_row[pairs], targets.pair_temperature[pairs][:, None]
            with torch.no_grad():
                now, before, base = (head.logits(each[row]).div_(temperature).log_softmax(-1) for each in states)
                p = now.exp()
                entropy = -(p * now).sum(-1)
                kl_base = (p * base.neg_().add_(now)).sum(-1)
                kl_before = (before.exp() * now.neg_().add_(before)).sum(-1)
            # Rounding can leave a divergence of equal distributions a little below its least value.
            yield torch.stack([kl_before.clamp_min(0), kl_base.clamp_min(0), entropy], -1)
