"""Log-probabilities of given completions under the trainer's policy, as float32 numbers and without a gradient."""

from collections.abc import Sequence

import torch

from gyre_trainer.contract.batch import Action, Tree
from gyre_trainer.learn import tree
from gyre_trainer.learn.policy import Policy

Given = tuple[list[int], list[int], float]  # prompt ids, completion ids, temperature


def trie(sequences: Sequence[Given]) -> tuple[Tree, tuple[Action, ...]]:
    """The sequences with common beginnings merged, in depth-first order, and one action per completion."""
    children: list[dict[int, int]] = [{}]  # of each node as first met; node 0 stands above the roots
    ends: list[int] = []
    for prompt, completion, _ in sequences:
        node = 0
        for token in prompt + completion:
            if token not in children[node]:
                children[node][token] = len(children)
                children.append({})
            node = children[node][token]
        ends.append(node)
    tokens: list[int] = []
    parent: list[int] = []
    number = {0: -1}  # node as first met -> index in depth-first order
    waiting = [(node, token, 0) for token, node in reversed(children[0].items())]
    while waiting:
        node, token, above = waiting.pop()
        number[node] = len(tokens)
        tokens.append(token)
        parent.append(number[above])
        waiting += [(child, label, node) for label, child in reversed(children[node].items())]
    actions = tuple(
        Action(str(i), number[end], len(completion), temperature, (), 0.0, 1.0)
        for i, (end, (_, completion, temperature)) in enumerate(zip(ends, sequences, strict=True))
    )
    return Tree(tuple(tokens), tuple(parent)), actions


def score(policy: Policy, sequences: Sequence[Given]) -> list[list[float]]:
    """One list of len(completion) natural logs per sequence; prompt and completion must not be empty."""
    forest, actions = trie(sequences)
    with torch.no_grad():
        flat: list[float] = policy.logprobs(
            tree.plan(forest, tree.block_for(policy.device)), tree.targets(forest, actions)
        ).tolist()
    rows, first = [], 0
    for action in actions:
        rows.append(flat[first : first + action.length])
        first += action.length
    return rows
