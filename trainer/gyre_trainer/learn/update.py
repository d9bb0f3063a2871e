"""One update: a batch's tree through the policy once, a loss, a gradient, Adam. Weights change only if all is
finite."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gyre_trainer.contract.batch import Batch, Hyper
from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.learn import loss, tree
from gyre_trainer.learn.policy import Policy

Progress = Callable[[float], None]


@dataclass
class Optimizer:
    """Adam over the adapter, in the order of parameter names so that a saved state fits after a restart."""

    adam: torch.optim.AdamW
    parameters: list[torch.nn.Parameter]


def optimizer_for(policy: Policy, state: dict[str, Any] | None) -> Optimizer:
    """A fresh Adam over the policy's adapter, or one with the moments of `state` (its state_dict)."""
    named = policy.parameters()
    parameters = [named[name] for name in sorted(named)]
    adam = torch.optim.AdamW(parameters, lr=0.0)
    if state is not None:
        adam.load_state_dict(state)
    return Optimizer(adam, parameters)


def configure(optimizer: Optimizer, hyper: Hyper) -> None:
    """Each batch brings its own settings; only the moments are carried over."""
    for group in optimizer.adam.param_groups:
        group.update(
            lr=hyper.learning_rate, betas=hyper.adam_betas, eps=hyper.adam_eps, weight_decay=hyper.weight_decay
        )


def update(policy: Policy, optimizer: Optimizer, batch: Batch, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Apply `batch` to the policy's weights; returns the metrics. TrainerError `non_finite` leaves weights as they
    were.
    """
    started = time.monotonic()
    plan = tree.plan(batch.tree, tree.block_for(policy.device))
    targets = tree.targets(batch.tree, batch.actions)
    tokens = loss.tokens_of(batch.actions, targets.token_action, batch.hyper).to(policy.device)
    configure(optimizer, batch.hyper)
    before = [p.detach().clone() for p in optimizer.parameters]
    planned = time.monotonic()
    forward = backward = 0.0
    metrics: dict[str, Any] = {}
    for epoch in range(batch.hyper.epochs):
        optimizer.adam.zero_grad(set_to_none=True)
        begun = time.monotonic()
        logprobs = policy.logprobs(plan, targets)
        result = loss.compute(logprobs, tokens, batch.hyper)
        middle = time.monotonic()
        progress((epoch + 0.45) / batch.hyper.epochs)
        result.value.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(optimizer.parameters, batch.hyper.grad_clip))
        value = float(result.value.detach())
        if not math.isfinite(value) or not math.isfinite(norm):
            restore(optimizer, before)
            raise TrainerError(
                "non_finite", f"loss {value} and gradient norm {norm} in epoch {epoch}; the weights are unchanged"
            )
        optimizer.adam.step()
        forward, backward = forward + middle - begun, backward + time.monotonic() - middle
        progress((epoch + 1) / batch.hyper.epochs)
        if epoch == 0:  # later epochs are off-policy by our own step; the first shows the engine's mismatch
            metrics = first_epoch(result, logprobs, tokens, norm, batch.hyper)
    optimizer.adam.zero_grad(set_to_none=True)
    distinct = tree.distinct_nodes(batch.tree)
    computed = len(batch.tree.tokens)
    seconds = time.monotonic() - started
    return metrics | {
        "tokens_computed": computed,
        "distinct_tokens": distinct,
        "computed_per_distinct": computed / distinct,
        "logical_tokens": batch.logical_tokens,
        "sharing": batch.logical_tokens / computed,
        "action_tokens": len(targets.token_entry),
        "actions": len(batch.actions),
        "epochs": batch.hyper.epochs,
        "checkpointed": policy.checkpointed,
        "seconds": {"plan": planned - started, "forward": forward, "backward": backward, "total": seconds},
        "tokens_per_second": computed * batch.hyper.epochs / max(seconds, 1e-9),
        "logical_tokens_per_second": batch.logical_tokens * batch.hyper.epochs / max(seconds, 1e-9),
    }


def first_epoch(
    result: loss.Loss, logprobs: torch.Tensor, tokens: loss.Tokens, norm: float, hyper: Hyper
) -> dict[str, Any]:
    """The metrics that only a first pass can give: how far the engine's numbers are from ours."""
    gap = (logprobs.detach() - tokens.mu).abs()
    supervised = hyper.loss == "cross_entropy"
    return {
        "loss": float(result.value.detach()),
        "ratio_mean": result.ratio_mean,
        "kl_k3": result.kl_k3,
        "clip_fraction": result.clip_fraction,
        "vetoed": result.vetoed,
        "grad_norm": norm,
        "mean_logprob": float(logprobs.detach().mean()),
        "mean_abs_logprob_gap": None if supervised else float(gap.mean()),
    }


def restore(optimizer: Optimizer, before: list[torch.Tensor]) -> None:
    """Put the weights of before the update back, without a gradient left."""
    with torch.no_grad():
        for parameter, old in zip(optimizer.parameters, before, strict=True):
            parameter.copy_(old)
    optimizer.adam.zero_grad(set_to_none=True)
