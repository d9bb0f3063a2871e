"""One update: a batch's tree through the policy, a loss, a gradient, Adam, and a look at how far that moved the policy.

It is whole or it is nothing: whatever goes wrong, and where even half the step moves the policy too far, weights and
Adam's state are bit for bit those of before.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gyre_trainer.contract.batch import Batch, Hyper
from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.learn import loss, movement, tree
from gyre_trainer.learn.policy import Policy
from gyre_trainer.learn.rate import rate_for

Progress = Callable[[float], None]
STEPS = (1.0, 0.5)  # parts of the learning rate, in the order in which they are tried


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


def configure(optimizer: Optimizer, hyper: Hyper, rate: float) -> None:
    """Each batch brings its own settings; only the moments are carried over."""
    for group in optimizer.adam.param_groups:
        group.update(lr=rate, betas=hyper.adam_betas, eps=hyper.adam_eps, weight_decay=hyper.weight_decay)


@dataclass(frozen=True)
class Saved:
    """Copies of weights and Adam's state."""

    weights: list[torch.Tensor]
    adam: dict[str, Any]

    @staticmethod
    def of(optimizer: Optimizer) -> "Saved":
        return Saved([p.detach().clone() for p in optimizer.parameters], copy.deepcopy(optimizer.adam.state_dict()))

    def put_back(self, optimizer: Optimizer) -> None:
        """Make everything what it was, without a gradient left."""
        with torch.no_grad():
            for parameter, old in zip(optimizer.parameters, self.weights, strict=True):
                parameter.copy_(old)
        # It takes the very tensors it is given, which the next step changes.
        optimizer.adam.load_state_dict(copy.deepcopy(self.adam))
        optimizer.adam.zero_grad(set_to_none=True)


class Passes:
    """The batch's tree through the policy and back, again and again; keeps the time."""

    def __init__(self, policy: Policy, optimizer: Optimizer, batch: Batch) -> None:
        self._policy, self._optimizer, self._hyper = policy, optimizer, batch.hyper
        self._plan = tree.plan(batch.tree, tree.block_for(policy.device))
        self.targets = tree.targets(batch.tree, batch.actions)
        tokens = loss.tokens_of(batch.actions, self.targets.token_action, batch.hyper)
        self.tokens = tokens.to(policy.device)
        self.forward_seconds = self.backward_seconds = 0.0
        self.checkpointed = False
        self.states: torch.Tensor = torch.empty(0)  # of the last pass

    def gradient(self, epoch: int) -> tuple[loss.Loss, torch.Tensor, float]:
        """Loss, log-probabilities and the gradient's norm before clipping; leaves the clipped gradient in the
        parameters. TrainerError `non_finite`.
        """
        self._optimizer.adam.zero_grad(set_to_none=True)
        begun = time.monotonic()
        states = self._policy.states(self._plan, self.targets)
        self.states = states.detach()
        logprobs = self._policy.logprobs_at(states, self.targets)
        result = loss.compute(logprobs, self.tokens, self._hyper)
        middle = time.monotonic()
        self.checkpointed = self._policy.checkpointed
        result.value.backward()  # type: ignore[no-untyped-call]
        norm = float(torch.nn.utils.clip_grad_norm_(self._optimizer.parameters, self._hyper.grad_clip))
        self.forward_seconds += middle - begun
        self.backward_seconds += time.monotonic() - middle
        value = float(result.value.detach())
        if not math.isfinite(value) or not math.isfinite(norm):
            raise TrainerError(
                "non_finite", f"loss {value} and gradient norm {norm} in epoch {epoch}; the weights are unchanged"
            )
        return result, logprobs.detach(), norm


def update(policy: Policy, optimizer: Optimizer, batch: Batch, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Apply `batch` to the policy's weights; returns the metrics.

    TrainerError `non_finite`, and `kl_bound` where half the step too moves the policy farther than the batch allows.
    Any error leaves weights and Adam's state as they were.
    """
    saved = Saved.of(optimizer)
    try:
        return attempt(policy, optimizer, saved, batch, progress)
    except BaseException:
        saved.put_back(optimizer)
        raise


def attempt(policy: Policy, optimizer: Optimizer, saved: Saved, batch: Batch, progress: Progress) -> dict[str, Any]:
    """The update itself. What is halved is the learning rate, so half a step is exactly what a batch that asked for
    half the rate would have got; the first gradient, which does not depend on it, is computed once.
    """
    hyper = batch.hyper
    rate = rate_for(policy.model.config.hidden_size) if hyper.learning_rate is None else hyper.learning_rate
    started = time.monotonic()
    passes = Passes(policy, optimizer, batch)
    probe = movement.probe_of(batch.tree, batch.actions, passes.targets, policy.device)
    planned = time.monotonic()
    # Later epochs are off-policy by our own step; the first shows the engine's mismatch.
    metrics = first_epoch(*passes.gradient(0), passes.tokens, hyper)
    progress(0.8 / hyper.epochs)
    begun = time.monotonic()
    yardstick = movement.Yardstick(policy, probe, passes.states)
    measuring = time.monotonic() - begun
    gradient = [parameter.grad for parameter in optimizer.parameters]
    distances: list[float] = []
    for part in STEPS:
        configure(optimizer, hyper, part * rate)
        for parameter, its in zip(optimizer.parameters, gradient, strict=True):
            parameter.grad = its
        optimizer.adam.step()
        for epoch in range(1, hyper.epochs):
            progress(0.9 * epoch / hyper.epochs)
            passes.gradient(epoch)
            optimizer.adam.step()
        optimizer.adam.zero_grad(set_to_none=True)
        progress(0.9)
        begun = time.monotonic()
        moved = yardstick.moved()
        measuring += time.monotonic() - begun
        distances.append(moved.kl_before)
        if moved.kl_before <= hyper.kl_bound:  # false for what is no number
            break
        saved.put_back(optimizer)
    else:
        raise TrainerError("kl_bound", refusal(distances, hyper, rate))
    progress(1.0)
    distinct = tree.distinct_nodes(batch.tree)
    computed = len(batch.tree.tokens)
    seconds = time.monotonic() - started
    return metrics | {
        "kl_before": moved.kl_before,
        "kl_base": moved.kl_base,
        "entropy": moved.entropy,
        "measured": {"actions": probe.actions, "tokens": probe.tokens},
        "learning_rate": part * rate,
        "step_scale": part,
        "kl_full_step": distances[0] if math.isfinite(distances[0]) else None,
        "mean_length": sum(action.length for action in batch.actions) / len(batch.actions),
        "tokens_computed": computed,
        "distinct_tokens": distinct,
        "computed_per_distinct": computed / distinct,
        "logical_tokens": batch.logical_tokens,
        "sharing": batch.logical_tokens / computed,
        "action_tokens": sum(action.length for action in batch.actions),
        "actions": len(batch.actions),
        "epochs": hyper.epochs,
        "checkpointed": passes.checkpointed,
        "seconds": {
            "plan": planned - started,
            "forward": passes.forward_seconds,
            "backward": passes.backward_seconds,
            "measure": measuring,
            "total": seconds,
        },
        "tokens_per_second": computed * hyper.epochs / max(seconds, 1e-9),
        "logical_tokens_per_second": batch.logical_tokens * hyper.epochs / max(seconds, 1e-9),
    }


def refusal(distances: list[float], hyper: Hyper, rate: float) -> str:
    """Why no step was taken, and what to do about it."""
    whole, half = distances
    return (
        f"a step at learning rate {rate:g} would move the policy {whole:.3g} nats a token from the one before it, half "
        f"of it {half:.3g}, and {hyper.kl_bound:g} are allowed; the update is refused and the weights are unchanged: "
        "set a lower learning.rate"
    )


def first_epoch(
    result: loss.Loss, logprobs: torch.Tensor, norm: float, tokens: loss.Tokens, hyper: Hyper
) -> dict[str, Any]:
    """The metrics that only a first pass can give: how far the engine's numbers are from ours."""
    supervised = hyper.loss == "cross_entropy"
    histogram = {"edges": list(loss.RATIO_EDGES), "tokens": list(result.ratio_tokens)}
    return {
        "loss": float(result.value.detach()),
        "ratio_mean": result.ratio_mean,
        "ratio_histogram": None if supervised else histogram,
        "kl_k3": result.kl_k3,
        "clip_fraction": result.clip_fraction,
        "vetoed": result.vetoed,
        "grad_norm": norm,
        "mean_logprob": float(logprobs.mean()),
        "mean_abs_logprob_gap": None if supervised else float((logprobs - tokens.mu).abs().mean()),
    }
