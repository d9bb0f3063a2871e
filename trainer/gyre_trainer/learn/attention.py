"""Ancestor-only attention over a packed token tree, as a transformers attention implementation named `gyre_tree`.

It expects the `tree` plan as a keyword of the model call and refuses to run without one, and with a keyword that it
does not know: a model that passes one computes something else than this. Written out instead of
calling torch's fused kernel: with small blocks and grouped heads it takes half the time of that kernel on
a CPU (bfloat16, 400 keys), and keys and values are never repeated for the heads that share them.
"""

from typing import Any

import torch

from gyre_trainer.learn.tree import Block, Plan

NAME = "gyre_tree"

# Keywords of transformers' attention functions that change nothing here: positions are in the plan, nothing is cached.
INDIFFERENT = {"position_ids", "cache_position", "use_cache", "output_attentions", "output_hidden_states", "is_causal"}


class TreeAttention(torch.autograd.Function):
    """softmax(q k^T * scaling over visible keys) v, block by block; gradients of shared keys are summed in float32.

    Scores are float32 as in the engine; only the products with the probabilities use the model's number format. The
    backward pass computes a block's probabilities again, since keeping them would take a gigabyte for 7,000 tokens.
    Queries are laid out [kv_heads, N * groups, d], row by row with the heads that share a key side by side, so that a
    block's rows are a view.
    """

    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        blocks: tuple[Block, ...],
        scaling: float,
        softcap: float | None,
    ) -> torch.Tensor:
        """q [kv_heads, N * groups, d], k and v [kv_heads, N, d] -> like q."""
        result = torch.empty_like(q)
        q32, k32 = q.float() * scaling, k.float()
        groups = q.shape[1] // k.shape[1]
        for block in blocks:
            rows = slice(block.start * groups, block.stop * groups)
            p, _ = probabilities(q32[:, rows], gather(k32, block), block, softcap)
            result[:, rows] = torch.bmm(p.to(v.dtype), gather(v, block))
        ctx.save_for_backward(q, k, v, result)
        ctx.blocks, ctx.scaling, ctx.softcap = blocks, scaling, softcap
        return result

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None, None, None]:
        """Gradient like q -> gradients of q, k and v, in their number formats."""
        q, k, v, output = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        q32, k32 = q.float() * ctx.scaling, k.float()
        groups = q.shape[1] // k.shape[1]
        # d softmax: p * (dp - sum(p dp)), and sum(p dp) = gradient . output
        dot = (gradient.float() * output.float()).sum(-1, keepdim=True).to(q.dtype)
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.zeros_like(k32), torch.zeros_like(k32)
        for block in ctx.blocks:
            rows = slice(block.start * groups, block.stop * groups)
            p32, slope = probabilities(q32[:, rows], gather(k32, block), block, ctx.softcap)
            p = p32.to(v.dtype)
            g = gradient[:, rows]
            scatter(grad_v, block, torch.bmm(p.transpose(1, 2), g))
            scores = torch.bmm(g, gather(v, block).transpose(1, 2)).sub_(dot[:, rows]).mul_(p).mul_(ctx.scaling)
            if slope is not None:
                scores.mul_(slope)
            scatter(grad_k, block, torch.bmm(scores.transpose(1, 2), q[:, rows]))
            grad_q[:, rows] = torch.bmm(scores, gather(k, block))
        return grad_q, grad_k.to(k.dtype), grad_v.to(v.dtype), None, None, None


def gather(x: torch.Tensor, block: Block) -> torch.Tensor:
    """The rows of x [kv_heads, N, d] that the block may attend to: [kv_heads, K, d]; a view if they are one run."""
    parts = [x[:, first:last] for first, last in block.runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def scatter(total: torch.Tensor, block: Block, part: torch.Tensor) -> None:
    """Add part [kv_heads, K, d] to the rows that `gather` took."""
    offset = 0
    for first, last in block.runs:
        total[:, first:last] += part[:, offset : offset + last - first]
        offset += last - first


def probabilities(
    rows: torch.Tensor, keys: torch.Tensor, block: Block, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """float32 [kv_heads, rows * groups, K] attention probabilities of the block's scaled queries.

    With a soft cap scores are cap * tanh(score / cap), and its slope at each of them is the second.
    """
    scores = torch.bmm(rows, keys.transpose(1, 2))
    slope = None
    if softcap is not None:
        bent = scores.div_(softcap).tanh_()
        slope = 1 - bent.square()
        scores = bent.mul_(softcap)
    count, width = block.mask.shape
    scores.view(keys.shape[0], count, -1, width).add_(block.mask[:, None, :])
    return torch.softmax(scores, -1), slope


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    tree: Plan | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """query [1, heads, N, d]; key and value [1, kv_heads, N, d] -> ([1, N, heads, d], None).

    ValueError for what it cannot compute, by its name.
    """
    if tree is None or attention_mask is not None or dropout:
        raise ValueError("tree attention needs a tree plan, no attention mask and dropout 0")
    odd = [name for name, value in others.items() if name not in INDIFFERENT and value is not None]
    if odd:
        raise ValueError(f"{type(module).__name__} has attention with {', '.join(odd)}, which is not supported")
    if value.shape[-1] != key.shape[-1]:
        raise ValueError(f"{type(module).__name__} has values of another width than its keys, which is not supported")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    kv_heads, length, width = key.shape[1:]
    q = query[0].view(kv_heads, -1, length, width).transpose(1, 2).reshape(kv_heads, -1, width)
    result: torch.Tensor = TreeAttention.apply(  # type: ignore[no-untyped-call]
        q, key[0].contiguous(), value[0].contiguous(), tree.within(sliding_window), scale, softcap
    )
    return result.view(kv_heads, length, -1, width).transpose(0, 1).reshape(1, length, -1, width), None


def register() -> None:
    """Make the implementation known to transformers under its name; safe to call twice."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, tree_attention)
