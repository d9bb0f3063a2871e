"""vLLM plugin (entry point group vllm.general_plugins): correct and fast LoRA on CPU, loaded in every vLLM process.

vLLM 0.28's CPU path (its vllm/lora/ops/torch_ops/lora_ops.py) has two defects. A token without adapter has index -1,
and the code indexes the stacked weights with it, so base requests batched with adapter requests silently get the last
slot's adapter. And it gathers a private copy of A and B for every token, which is five times slower than the
base. Here the rows of a scheduler step are grouped once by adapter, then each group is two dense products.

Nothing changes on a GPU (another wrapper class) or in another vLLM version (refused with a warning, so that the
start-up check of the trainer decides). `update_metadata` and all three `add_*` must be replaced together: a
half-replaced wrapper reads lengths that nobody filled in.
"""

import logging
import os
from typing import Any

import torch

logger = logging.getLogger("vllm.gyre_grouped_lora")

VERSION_PREFIX = "0.28."

# (adapter slot, row numbers); row numbers None = this adapter covers every row, so no gather and scatter is needed.
Groups = list[tuple[int, torch.Tensor | None]]


def group_rows(indices: torch.Tensor) -> Groups:
    """Rows of each adapter slot from `indices` [rows], where -1 means "no adapter" and belongs to no group."""
    slots = torch.unique(indices).tolist()
    if len(slots) == 1:
        return [] if slots[0] < 0 else [(slots[0], None)]
    return [(slot, (indices == slot).nonzero().flatten()) for slot in slots if slot >= 0]


def add_linear(
    y: torch.Tensor,
    x: torch.Tensor,
    a_stacked: tuple[torch.Tensor, ...],
    b_stacked: tuple[torch.Tensor, ...],
    scale: float,
    slices: tuple[int, ...],
    groups: Groups,
) -> None:
    """y[rows, slice] += x[rows] @ A^T @ B^T * scale, in place, per adapter and output slice.

    y [rows, sum(slices)], x [rows, in], A [slots, 1, rank, in], B [slots, 1, out, rank].
    """
    for slot, rows in groups:
        inputs = x if rows is None else x.index_select(0, rows)
        offset = 0
        for a, b, width in zip(a_stacked, b_stacked, slices, strict=True):
            weight_a, weight_b = a[slot].flatten(0, -2), b[slot].flatten(0, -2)
            delta = torch.mm(torch.mm(inputs.to(weight_a.dtype), weight_a.t()), weight_b.t())
            if scale != 1.0:
                delta *= scale
            view = y[:, offset : offset + width]
            if rows is None:
                view += delta
            else:
                view.index_add_(0, rows, delta.to(y.dtype))
            offset += width


def update_metadata(
    self: Any, mapping: Any, lora_index_to_id: list[int | None], max_loras: int, vocab_size: int, **_: Any
) -> None:
    """Once per scheduler step: the index tensors as before, the groups instead of the prefill metadata."""
    self._update_base_metadata(mapping, lora_index_to_id, max_loras, vocab_size)
    self.is_prefill = bool(mapping.is_prefill)
    self.gyre_token_groups = group_rows(self.token_lora_indices)
    self.gyre_sampler_groups = group_rows(self.sampler_indices)
    self.no_lora = not self.gyre_token_groups


def add_lora_linear(
    self: Any,
    y: torch.Tensor,
    x: torch.Tensor,
    lora_a_stacked: tuple[torch.Tensor, ...],
    lora_b_stacked: tuple[torch.Tensor, ...],
    scale: float,
    output_slices: tuple[int, ...],
    *,
    buffer: Any = None,
    **_: Any,
) -> None:
    """y [..., out] += scale * x [..., in] A^T B^T, each row with its own adapter, for every slice of a joined layer."""
    if self.gyre_token_groups:
        rows = x.view(-1, x.shape[-1])
        add_linear(
            y.view(-1, y.shape[-1]), rows, lora_a_stacked, lora_b_stacked, scale, output_slices, self.gyre_token_groups
        )


def add_lora_embedding(
    self: Any, y: torch.Tensor, x: torch.Tensor, lora_b_stacked: torch.Tensor, add_inputs: bool = True, **_: Any
) -> None:
    """y += x @ B^T for embedding adapters; x [rows, rank] holds each row's gathered A embedding."""
    if not add_inputs:
        y.zero_()
    for slot, rows in self.gyre_token_groups:
        weight = lora_b_stacked[slot].flatten(0, -2)
        inputs = x if rows is None else x.index_select(0, rows)
        delta = torch.mm(inputs.to(weight.dtype), weight.t()).to(y.dtype)
        if rows is None:
            y += delta
        else:
            y.index_add_(0, rows, delta)


def add_lora_logits(
    self: Any,
    y: torch.Tensor,
    x: torch.Tensor,
    lora_a_stacked: torch.Tensor,
    lora_b_stacked: torch.Tensor,
    scale: float,
    *,
    buffer: Any = None,
    **_: Any,
) -> None:
    """The same for the output head, with the groups of the rows that are sampled from."""
    # Only when the adapter itself touches the head; ours never does, so the common case costs nothing.
    y, x = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
    add_linear(y, x, (lora_a_stacked,), (lora_b_stacked,), scale, (lora_b_stacked.shape[-2],), self.gyre_sampler_groups)


def register() -> None:
    """Called by vLLM in each of its processes; safe to call twice. GYRE_GROUPED_LORA=0 turns it off, to compare."""
    if os.environ.get("GYRE_GROUPED_LORA") == "0":
        return
    import vllm

    if not vllm.__version__.startswith(VERSION_PREFIX):
        logger.warning("gyre grouped LoRA knows vLLM %sx, found %s: not active", VERSION_PREFIX, vllm.__version__)
        return
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    for method in (update_metadata, add_lora_linear, add_lora_embedding, add_lora_logits):
        setattr(PunicaWrapperCPU, method.__name__, method)
    logger.info("gyre grouped LoRA active")
