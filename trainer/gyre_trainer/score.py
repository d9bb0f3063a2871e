"""Log-probabilities of given completions under the trainer's policy, in float32 and without a gradient."""

from collections.abc import Sequence

import torch

from gyre_trainer import tree
from gyre_trainer.batch import Action, Tree
from gyre_trainer.policy import Policy

Sequence_ = tuple[list[int], list[int], float]  # prompt ids, completion ids, temperature


def chains(sequences: Sequence[Sequence_]) -> tuple[Tree, tuple[Action, ...]]:
    """A forest with one unbranched chain per sequence."""
    tokens: list[int] = []
    parent: list[int] = []
    actions: list[Action] = []
    for number, (prompt, completion, temperature) in enumerate(sequences):
        start = len(tokens)
        tokens += prompt + completion
        parent += [-1, *range(start, len(tokens) - 1)]
        actions.append(Action(str(number), len(tokens) - 1, len(completion), temperature, (), 0.0, 1.0))
    return Tree(tuple(tokens), tuple(parent)), tuple(actions)


def score(policy: Policy, sequences: Sequence[Sequence_]) -> list[list[float]]:
    """One list of len(completion) natural logs per sequence; prompt and completion must not be empty."""
    forest, actions = chains(sequences)
    with torch.no_grad():
        flat: list[float] = policy.logprobs(tree.plan(forest), tree.targets(forest, actions)).tolist()
    rows, first = [], 0
    for action in actions:
        rows.append(flat[first : first + action.length])
        first += action.length
    return rows
