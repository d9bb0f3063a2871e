"""Ancestor-only attention over a packed token tree, as a transformers attention implementation named `gyre_tree`.

Autograd runs through the shared keys and values, so the gradient of a shared prefix is the exact sum over its
branches. It expects the `tree` plan as a keyword of the model call and refuses to run without one.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from gyre_trainer.tree import Plan

NAME = "gyre_tree"


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    tree: Plan | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query [1, heads, N, d]; key and value [1, kv_heads, N, d] -> ([1, N, heads, d], None)."""
    if tree is None or attention_mask is not None or dropout:
        raise ValueError("tree attention needs a tree plan, no attention mask and dropout 0")
    groups = query.shape[1] // key.shape[1]
    # One split per tensor: its backward is one concatenation, while slicing the whole sequence for every block would
    # allocate a gradient of full length per block.
    keys = torch.split(key.repeat_interleave(groups, dim=1), tree.sizes, dim=2)
    values = torch.split(value.repeat_interleave(groups, dim=1), tree.sizes, dim=2)
    outputs = []
    for i, (block, rows) in enumerate(zip(tree.blocks, torch.split(query, tree.sizes, dim=2), strict=True)):
        if block.mask is None:
            outputs.append(scaled_dot_product_attention(rows, keys[i], values[i], is_causal=True, scale=scaling))
            continue
        key_parts = [keys[j] if local is None else keys[j].index_select(2, local) for j, local in block.outside]
        value_parts = [values[j] if local is None else values[j].index_select(2, local) for j, local in block.outside]
        block_keys = torch.cat([*key_parts, keys[i]], dim=2)
        block_values = torch.cat([*value_parts, values[i]], dim=2)
        outputs.append(scaled_dot_product_attention(rows, block_keys, block_values, attn_mask=block.mask, scale=scaling))
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)
