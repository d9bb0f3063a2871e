"""A token tree as tensors, and the plan that lets attention run over it in blocks.

Depth-first order makes the plan simple. Cut the sequence anywhere into blocks: a row's ancestors before its block are
all ancestors of the block's *first* row (if j < s <= i < end[j], then s lies in j's subtree too). So a block attends
to [the first row's ancestors ++ its own rows] under one small mask, and the cost is N x (depth + block), never N x N.
"""

from dataclasses import dataclass, field, fields

import torch

from gyre_trainer.contract.batch import Action, Tree

BLOCK = 128  # rows; measured on two cores: 64 loses 15 % to the many small calls, 256 a little to masked products
GPU_BLOCK = 1024  # measured on an H200, 6,000 and 18,000 tokens: 128 takes 2.4 times as long, 4,096 up to 1.7 times


@dataclass(frozen=True)
class Block:
    """Rows start..stop of the packed sequence and what they may attend to."""

    start: int
    stop: int
    runs: tuple[tuple[int, int], ...]  # first..last of each run of keys: ancestors of row `start`, then the own rows
    mask: torch.Tensor  # float32 [rows, K]: 0 where the key is the row itself or its ancestor, else -inf


@dataclass(frozen=True)
class Plan:
    """Everything about the packed sequence that does not depend on weights."""

    tokens: torch.Tensor  # int64 [N]
    depth: torch.Tensor  # int64 [N], the position id
    blocks: tuple[Block, ...]
    windows: dict[int, tuple[Block, ...]] = field(default_factory=dict, repr=False, compare=False)

    def to(self, device: str) -> "Plan":
        if device == "cpu":
            return self
        blocks = (Block(b.start, b.stop, b.runs, b.mask.to(device)) for b in self.blocks)
        return Plan(self.tokens.to(device), self.depth.to(device), tuple(blocks))

    def within(self, window: int | None) -> tuple[Block, ...]:
        """The blocks for a layer in which a row sees only the last `window` tokens of its path, itself included.

        Made once for all layers of one window. Depth is the position, so the distance on the path is its difference.
        """
        if window is None or window > int(self.depth.max()):
            return self.blocks
        if window not in self.windows:
            self.windows[window] = tuple(self._windowed(block, window) for block in self.blocks)
        return self.windows[window]

    def _windowed(self, block: Block, window: int) -> Block:
        device = self.depth.device
        keys = torch.cat([torch.arange(first, last, device=device) for first, last in block.runs])
        depth = self.depth[block.start : block.stop]
        mask = block.mask.masked_fill(depth[:, None] - self.depth[keys][None, :] >= window, -torch.inf)
        seen = (mask == 0).any(0)  # keys too far from every row of the block are not even gathered
        return Block(block.start, block.stop, runs_of(keys[seen].tolist()), mask[:, seen])


def depths_and_ends(parent: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Depth of every node and the exclusive end of its subtree, in depth-first order."""
    depth = [0] * len(parent)
    end = [0] * len(parent)
    for i, above in enumerate(parent):
        depth[i] = 0 if above < 0 else depth[above] + 1
    for i in range(len(parent) - 1, -1, -1):
        end[i] = max(end[i], i + 1)
        if parent[i] >= 0:
            end[parent[i]] = max(end[parent[i]], end[i])
    return depth, end


def ancestors(parent: tuple[int, ...], node: int) -> list[int]:
    """Strict ancestors of `node`, root first."""
    path: list[int] = []
    while (node := parent[node]) >= 0:
        path.append(node)
    return path[::-1]


def runs_of(rows: list[int]) -> tuple[tuple[int, int], ...]:
    """Ascending row numbers as half-open runs."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row:
            runs[-1] = (runs[-1][0], row + 1)
        else:
            runs.append((row, row + 1))
    return tuple(runs)


def plan(tree: Tree, block: int = BLOCK) -> Plan:
    """Cut the tree into blocks and build each block's mask: N x (depth + block) float32 numbers in all."""
    depth, end = depths_and_ends(tree.parent)
    ends = torch.tensor(end)
    blocks: list[Block] = []
    for start in range(0, len(tree.tokens), block):
        stop = min(start + block, len(tree.tokens))
        rows = torch.arange(start, stop)
        runs = runs_of([*ancestors(tree.parent, start), *range(start, stop)])
        keys = torch.cat([torch.arange(first, last) for first, last in runs])
        visible = (keys[None, :] <= rows[:, None]) & (rows[:, None] < ends[keys][None, :])
        blocks.append(Block(start, stop, runs, torch.zeros(visible.shape).masked_fill_(~visible, -torch.inf)))
    return Plan(torch.tensor(tree.tokens), torch.tensor(depth), tuple(blocks))


def block_for(device: str) -> int:
    """Rows per block on a device: a GPU waits for the many calls of small blocks, a CPU for masked products of large
    ones.
    """
    return BLOCK if device == "cpu" else GPU_BLOCK


def distinct_nodes(tree: Tree) -> int:
    """Nodes left when equal siblings are merged; equals N for a full trie."""
    canonical: dict[tuple[int, int], int] = {}
    names: list[int] = []
    for token, above in zip(tree.tokens, tree.parent, strict=True):
        names.append(canonical.setdefault((names[above] if above >= 0 else -1, token), len(canonical)))
    return len(canonical)


@dataclass(frozen=True)
class Targets:
    """Which log-probabilities are wanted: one per distinct (node, temperature), shared by all actions through it."""

    rows: torch.Tensor  # int64 [R], packed rows whose logits are needed (parents of loss-bearing nodes)
    pair_row: torch.Tensor  # int64 [P], index into rows; a pair is a distinct (row, temperature), ascending by row
    pair_temperature: torch.Tensor  # float32 [P]
    entry_pair: torch.Tensor  # int64 [E], index into pairs, ascending
    entry_token: torch.Tensor  # int64 [E], the child token
    token_entry: torch.Tensor  # int64 [M], entry of each action token, actions one after the other
    token_action: torch.Tensor  # int64 [M]

    def to(self, device: str) -> "Targets":
        return self if device == "cpu" else Targets(*(getattr(self, each.name).to(device) for each in fields(self)))


def targets(tree: Tree, actions: tuple[Action, ...]) -> Targets:
    """Walk each action back from its end and collect the distinct (parent row, temperature, token) it needs."""
    wanted: list[tuple[int, float, int]] = []
    owner: list[int] = []
    for number, action in enumerate(actions):
        nodes = [action.end]
        while len(nodes) < action.length:
            nodes.append(tree.parent[nodes[-1]])
        wanted += [(tree.parent[node], action.temperature, tree.tokens[node]) for node in reversed(nodes)]
        owner += [number] * action.length
    entries = sorted(set(wanted))
    pairs = sorted({(row, temperature) for row, temperature, _ in entries})
    rows = sorted({row for row, _ in pairs})
    row_index = {row: i for i, row in enumerate(rows)}
    pair_index = {pair: i for i, pair in enumerate(pairs)}
    entry_index = {entry: i for i, entry in enumerate(entries)}
    return Targets(
        rows=torch.tensor(rows),
        pair_row=torch.tensor([row_index[row] for row, _ in pairs]),
        pair_temperature=torch.tensor([temperature for _, temperature in pairs], dtype=torch.float32),
        entry_pair=torch.tensor([pair_index[(row, temperature)] for row, temperature, _ in entries]),
        entry_token=torch.tensor([token for _, _, token in entries]),
        token_entry=torch.tensor([entry_index[entry] for entry in wanted]),
        token_action=torch.tensor(owner),
    )
