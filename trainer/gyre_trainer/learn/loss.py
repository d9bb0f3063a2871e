"""Losses over action tokens: pure functions of log-probabilities, no model, no optimiser.

pi is the current policy, mu the behaviour policy whose log-probabilities the engine logged while sampling, D = log pi -
log mu in float32. There is one ratio, pi/mu. PPO's, against the policy at the start of the update, would leave out what
lies between the engine that sampled and that policy: other arithmetic, and a sample's age. pi/mu holds both and our own
steps besides, so no second pass is needed (verl's documentation of rollout correction calls this its bypass mode).
"""

from dataclasses import dataclass

import torch

from gyre_trainer.contract.batch import Action, Hyper

# exp(20) is far beyond every cap, and float32 stays finite; a wild token is then vetoed or clipped, not NaN.
LARGEST_LOG_RATIO = 20.0
# Of the ratio histogram: narrow about 1, where engine and trainer differ by arithmetic alone, and out to the cap of 2.
RATIO_EDGES = (0.5, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25, 2.0)


@dataclass(frozen=True)
class Tokens:
    """Per action token, actions one after the other; all float32 [M] except `action`."""

    mu: torch.Tensor  # log-probability at sampling time, after temperature
    advantage: torch.Tensor
    weight: torch.Tensor  # the action's weight; with `normalise: sequence` divided by its length
    action: torch.Tensor  # int64 [M]
    actions: int

    def to(self, device: str) -> "Tokens":
        to = device
        return Tokens(self.mu.to(to), self.advantage.to(to), self.weight.to(to), self.action.to(to), self.actions)

    @property
    def total(self) -> torch.Tensor:
        """The divisor: every token counts, also a vetoed one, so that dropping some never amplifies the others."""
        return self.weight.sum().clamp_min(1e-12)


@dataclass(frozen=True)
class Loss:
    """The value to differentiate, and what a look at the batch needs to know about its ratios."""

    value: torch.Tensor  # scalar, differentiable
    ratio_mean: float
    kl_k3: float  # mean of exp(D) - D - 1, an estimate of KL(mu || pi)
    clip_fraction: float  # tokens whose ratio was capped, floored or masked
    vetoed: int  # actions
    # Tokens up to each of RATIO_EDGES, and above the last; empty where no mu is known.
    ratio_tokens: tuple[int, ...] = ()


def tokens_of(actions: tuple[Action, ...], owner: torch.Tensor, hyper: Hyper) -> Tokens:
    """Spread the actions' numbers over their tokens; `owner` [M] names each token's action."""
    lengths = [action.length for action in actions]
    share = [a.weight / (a.length if hyper.normalise == "sequence" else 1) for a in actions]
    mu = [value for action in actions for value in (action.logprobs or (0.0,) * action.length)]
    repeats = torch.tensor(lengths)
    return Tokens(
        mu=torch.tensor(mu, dtype=torch.float32),
        advantage=torch.tensor([a.advantage for a in actions], dtype=torch.float32).repeat_interleave(repeats),
        weight=torch.tensor(share, dtype=torch.float32).repeat_interleave(repeats),
        action=owner,
        actions=len(actions),
    )


def cross_entropy(logprobs: torch.Tensor, tokens: Tokens) -> Loss:
    """-log pi, weighted; the supervised baseline. It knows no mu, so there is no ratio to report."""
    value = -(tokens.weight * logprobs).sum() / tokens.total
    return Loss(value, 1.0, 0.0, 0.0, 0)


def cispo(logprobs: torch.Tensor, tokens: Tokens, hyper: Hyper) -> Loss:
    """-sg(min(r, cap)) A log pi (MiniMax-M1, arXiv 2506.13585; ScaleRL, 2510.13786), floor-masked, plus kl D^2.

    Unlike PPO's clip, a capped token keeps its gradient; only its weight is bounded.
    """
    difference, ratio, keep, vetoed = compare(logprobs, tokens, hyper)
    inside = ratio >= hyper.ratio_floor
    weight = torch.clamp(ratio, max=hyper.ratio_cap) * inside
    policy = -weight * tokens.advantage * logprobs
    clipped = (ratio > hyper.ratio_cap) | ~inside
    return combine(policy, difference, ratio, keep, clipped, vetoed, tokens, hyper)


def dppo(logprobs: torch.Tensor, tokens: Tokens, hyper: Hyper) -> Loss:
    """-keep A exp(D) + kl D^2 with DPPO's total-variation mask (arXiv 2602.04879; prime-rl).

    A token is dropped when its probability already moved by more than delta in the direction its advantage pushes.
    """
    difference, ratio, keep, vetoed = compare(logprobs, tokens, hyper)
    shift = logprobs.detach().exp() - tokens.mu.exp()
    moved = ((tokens.advantage > 0) & (shift > hyper.dppo_delta)) | (
        (tokens.advantage < 0) & (shift < -hyper.dppo_delta)
    )
    policy = torch.where(moved, 0.0, -tokens.advantage * difference.clamp(max=LARGEST_LOG_RATIO).exp())
    return combine(policy, difference, ratio, keep, moved, vetoed, tokens, hyper)


def compare(
    logprobs: torch.Tensor, tokens: Tokens, hyper: Hyper
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """D (differentiable), detached ratio, per-token keep mask after the sequence veto, number of vetoed actions."""
    difference = logprobs.float() - tokens.mu
    ratio = difference.detach().clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    lowest = torch.full((tokens.actions,), torch.inf, device=ratio.device)
    lowest = lowest.scatter_reduce(0, tokens.action, ratio, "amin")
    veto = lowest < hyper.sequence_veto
    return difference, ratio, ~veto[tokens.action], int(veto.sum())


def combine(
    policy: torch.Tensor,
    difference: torch.Tensor,
    ratio: torch.Tensor,
    keep: torch.Tensor,
    clipped: torch.Tensor,
    vetoed: int,
    tokens: Tokens,
    hyper: Hyper,
) -> Loss:
    """Policy terms [M] and the KL penalty, vetoed actions dropped, weighted over all tokens."""
    per_token = torch.where(keep, policy + hyper.kl_weight * difference.square(), 0.0)
    value = (tokens.weight * per_token).sum() / tokens.total
    log_ratio = difference.detach().clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    k3 = (log_ratio.exp() - log_ratio - 1).mean()
    place = torch.bucketize(ratio, torch.tensor(RATIO_EDGES, device=ratio.device))
    spread = torch.bincount(place, minlength=len(RATIO_EDGES) + 1).tolist()
    return Loss(value, float(ratio.mean()), float(k3), float(clipped.float().mean()), vetoed, tuple(spread))


def compute(logprobs: torch.Tensor, tokens: Tokens, hyper: Hyper) -> Loss:
    """logprobs float32 [M] of every action token under pi -> the batch's loss."""
    if hyper.loss == "cross_entropy":
        return cross_entropy(logprobs, tokens)
    return cispo(logprobs, tokens, hyper) if hyper.loss == "cispo" else dppo(logprobs, tokens, hyper)
