"""The policy inside the trainer: frozen base weights, one LoRA adapter in float32, log-probabilities of tree nodes.

It knows nothing of versions, files of the service or HTTP. `logprobs` computes every packed token exactly once.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gyre_trainer.learn import attention, lora
from gyre_trainer.learn.tree import Plan, Targets
from gyre_trainer.machine.memory import must_checkpoint

CHUNK = 512  # rows of logits at a time: 512 x 49152 float32 = 100 MB


@dataclass(frozen=True)
class Head:
    """From final hidden states to logits: cap * tanh(scale * (x @ weight^T) / cap), or without the cap."""

    weight: torch.Tensor  # [V, hidden], in the format the logits are computed in
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """rows [R, hidden] -> float32 [R, V], differentiable."""
        logits = (rows.to(self.weight.dtype) @ self.weight.t()).float()
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    def of(self, tokens: list[int]) -> "Head":
        """The same for a few tokens only."""
        return Head(self.weight[tokens], self.scale, self.softcap)


def head_of(model: Any) -> Head:
    """As the model's own forward does it, which the start-up check compares with. ValueError for a bias."""
    config, layer = model.config, model.lm_head
    if layer.bias is not None:
        raise ValueError(f"{type(model).__name__} has an output head with a bias, which is not supported")
    scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1.0)
    return Head(layer.weight, scale, getattr(config, "final_logit_softcapping", None))


@dataclass
class Policy:
    """The frozen base model with a float32 adapter on it, on one device."""

    model: Any  # transformers causal LM with LoRA layers injected
    rank: int
    alpha: int
    device: str
    dtype: torch.dtype  # of the frozen base
    head: Head
    checkpointed: bool = False  # whether the last forward recomputed activations

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Trainable tensors by their PEFT file name (without the adapter's own name)."""
        return dict(lora.named(self.model))

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Copy adapter weights in place; names and shapes must match exactly."""
        own = self.parameters()
        odd = sorted(own.keys() ^ weights.keys()) or [name for name in own if own[name].shape != weights[name].shape]
        if odd:
            raise ValueError(
                f"{len(odd)} adapter tensors do not fit the loaded policy (rank {self.rank}), for example {odd[0]}"
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(weights[name])

    def reshape(self, rank: int, alpha: int) -> None:
        """The shape of another adapter; its weights are to be loaded or reset then. The base stays where it is."""
        if (rank, alpha) != (self.rank, self.alpha):
            lora.reshape(self.model, rank, alpha)
            self.rank, self.alpha = rank, alpha

    def reset(self, seed: int) -> None:
        """The adapter that changes nothing: B zero, A random from `seed` (zero too would leave no gradient at all)."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in sorted(self.parameters().items()):
                bound = 1 / math.sqrt(parameter.shape[1])  # kaiming uniform with a = sqrt(5), as peft initialises A
                fresh = (torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound
                parameter.copy_(fresh if "lora_A" in name else torch.zeros_like(parameter))

    def snapshot(self) -> dict[str, torch.Tensor]:
        """Float32 copies of the adapter on the CPU."""
        return {name: p.detach().float().cpu().clone() for name, p in self.parameters().items()}

    def hidden(self, plan: Plan) -> torch.Tensor:
        """Final hidden states [N, hidden] of the packed tree."""
        plan = plan.to(self.device)
        training = torch.is_grad_enabled()
        self.checkpointed = training and must_checkpoint(
            self.model.config, len(plan.tokens), self.dtype.itemsize, self.device
        )
        self.model.train(self.checkpointed)  # transformers checkpoints in train mode only; every dropout is 0
        if self.checkpointed:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        output = self.model.model(
            input_ids=plan.tokens[None], position_ids=plan.depth[None], use_cache=False, tree=plan
        )
        states: torch.Tensor = output.last_hidden_state[0]
        return states

    def base(self) -> AbstractContextManager[None]:
        """While it is entered the policy is the base: its adapter counts for nothing."""
        return lora.off(self.model)

    def states(self, plan: Plan, targets: Targets) -> torch.Tensor:
        """Final hidden states [R, hidden] of the rows that `targets` needs logits of."""
        return self.hidden(plan).index_select(0, targets.rows.to(self.device))

    def logprobs(self, plan: Plan, targets: Targets) -> torch.Tensor:
        """float32 [M], log pi of every action token at its action's temperature, differentiable."""
        return self.logprobs_at(self.states(plan, targets), targets)

    def logprobs_at(self, states: torch.Tensor, targets: Targets) -> torch.Tensor:
        """The same from the rows that `states` gave."""
        targets = targets.to(self.device)
        entries = EntryLogprobs.apply(states, self.head, targets)  # type: ignore[no-untyped-call]
        result: torch.Tensor = entries.index_select(0, targets.token_entry)
        return result


class EntryLogprobs(torch.autograd.Function):
    """Log-softmax of chosen tokens without ever holding all logits: chunks forward, the same chunks again backward.

    A loss may need every log-probability of an action before any gradient is known (sequence veto), so a chunk cannot
    be differentiated at once; recomputing its logits costs one product more and saves 200 kB per row.
    """

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, head: Head, targets: Targets) -> torch.Tensor:
        """rows [R, hidden] -> float32 [E]."""
        result = torch.empty(len(targets.entry_token), dtype=torch.float32, device=rows.device)
        normaliser = torch.empty(len(targets.pair_row), dtype=torch.float32, device=rows.device)
        for pairs, entries, scaled in logit_chunks(rows, head, targets):
            normaliser[pairs] = scaled.logsumexp(-1)
            local = targets.entry_pair[entries] - pairs.start
            result[entries] = scaled[local, targets.entry_token[entries]] - normaliser[pairs][local]
        ctx.save_for_backward(rows, normaliser)
        ctx.head, ctx.targets = head, targets
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Gradient [E] -> gradient of rows [R, hidden]; the output weights are frozen."""
        rows, normaliser = ctx.saved_tensors
        head, targets, (gradient,) = ctx.head, ctx.targets, gradients
        result = torch.zeros_like(rows, dtype=torch.float32)
        for pairs, entries, scaled in logit_chunks(rows, head, targets):
            temperature = targets.pair_temperature[pairs][:, None]
            slope = None if head.softcap is None else 1 - (scaled * temperature / head.softcap).square()
            local = targets.entry_pair[entries] - pairs.start
            total = torch.zeros(scaled.shape[0], device=rows.device).index_add_(0, local, gradient[entries])
            # d log p[token] / d scaled = onehot - softmax, summed over the entries of a pair
            grad = scaled.sub_(normaliser[pairs][:, None]).exp_().mul_(-total[:, None])
            grad.index_put_((local, targets.entry_token[entries]), gradient[entries], accumulate=True)
            grad.div_(temperature)
            if slope is not None:
                grad.mul_(slope)
            if head.scale != 1.0:
                grad.mul_(head.scale)
            result.index_add_(0, targets.pair_row[pairs], (grad.to(head.weight.dtype) @ head.weight).float())
        return result.to(rows.dtype), None, None


def logit_chunks(rows: torch.Tensor, head: Head, targets: Targets) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """(pairs, entries, float32 logits / temperature [pairs, V]) chunk by chunk."""
    for first in range(0, len(targets.pair_row), CHUNK):
        pairs = slice(first, min(first + CHUNK, len(targets.pair_row)))
        bounds = torch.tensor([pairs.start, pairs.stop], device=rows.device)
        low, high = torch.searchsorted(targets.entry_pair, bounds).tolist()
        logits = head.logits(rows[targets.pair_row[pairs]])
        yield pairs, slice(low, high), logits.div_(targets.pair_temperature[pairs][:, None])


def load_base(path: Path, dtype: torch.dtype, device: str) -> Any:
    """The frozen base model with tree attention; refuses weights that are not floating point."""
    from transformers import AutoModelForCausalLM

    attention.register()
    model = AutoModelForCausalLM.from_pretrained(
        str(path), dtype=dtype, attn_implementation=attention.NAME, local_files_only=True
    ).to(device)
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point():
            raise ValueError(f"{name} is {parameter.dtype}; convert the model to floating point first")
        parameter.requires_grad_(False)
    return model


def build(base: Callable[[], Any], rank: int, alpha: int, device: str, seed: int) -> Policy:
    """Put a fresh adapter on the model from `base`; with B zero the policy starts as the base."""
    model = base()
    dtype = next(model.parameters()).dtype
    lora.inject(model, rank, alpha)
    result = Policy(model.eval(), rank, alpha, device, dtype, head_of(model))
    result.reset(seed)
    return result
