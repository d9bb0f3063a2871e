"""How well a judge's logits tell good from bad, and the scale and bias that make a probability of them. No torch.

Platt's scaling (1999) with the targets and the Newton steps of Lin, Lin and Weng, "A note on Platt's probabilistic
outputs for support vector machines" (2007): the targets keep away from 0 and 1, so that it has a solution also where
the labels can be told apart without a fault.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEAST_OF_EACH = 5  # labels of each class that a calibration takes
STEPS = 100
TENTHS = 10


@dataclass(frozen=True)
class Scaling:
    """P(good) = sigmoid(scale * logit + bias)."""

    scale: float = 1.0
    bias: float = 0.0

    def probability(self, logit: float) -> float:
        return sigmoid(self.scale * logit + self.bias)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def fitted(logits: Sequence[float], truths: Sequence[bool]) -> Scaling | None:
    """One scale and bias for all; None where there are too few labels, or where it would turn the judge around."""
    goods = sum(truths)
    bads = len(truths) - goods
    if min(goods, bads) < LEAST_OF_EACH:
        return None
    targets = [(goods + 1) / (goods + 2) if truth else 1 / (bads + 2) for truth in truths]
    scale, bias = 1.0, math.log((goods + 1) / (bads + 1))

    def loss(a: float, b: float) -> float:
        return sum(softplus(a * x + b) - t * (a * x + b) for x, t in zip(logits, targets, strict=True))

    now = loss(scale, bias)
    for _ in range(STEPS):
        chances = [sigmoid(scale * x + bias) for x in logits]
        slope_a = sum((p - t) * x for p, t, x in zip(chances, targets, logits, strict=True))
        slope_b = sum(p - t for p, t in zip(chances, targets, strict=True))
        if max(abs(slope_a), abs(slope_b)) < 1e-7:
            break
        curve = [max(p * (1 - p), 1e-12) for p in chances]
        aa = sum(c * x * x for c, x in zip(curve, logits, strict=True)) + 1e-9
        ab = sum(c * x for c, x in zip(curve, logits, strict=True))
        bb = sum(curve) + 1e-9
        inverse = aa * bb - ab * ab
        step_a, step_b = -(bb * slope_a - ab * slope_b) / inverse, -(aa * slope_b - ab * slope_a) / inverse
        part = 1.0
        while part > 1e-10 and (after := loss(scale + part * step_a, bias + part * step_b)) > now:
            part /= 2
        if part <= 1e-10:
            break
        scale, bias, now = scale + part * step_a, bias + part * step_b, after
    return Scaling(scale, bias) if scale > 0 else None


def auc(logits: Sequence[float], truths: Sequence[bool]) -> float | None:
    """How often a good one is above a bad one, ties counted half; None where there is nothing to compare."""
    goods = sum(truths)
    bads = len(truths) - goods
    if goods == 0 or bads == 0:
        return None
    order = sorted(range(len(logits)), key=lambda i: logits[i])
    ranks, at = 0.0, 0
    while at < len(order):
        end = at
        while end < len(order) and logits[order[end]] == logits[order[at]]:
            end += 1
        ranks += sum(truths[i] for i in order[at:end]) * (at + 1 + end) / 2
        at = end
    return (ranks - goods * (goods + 1) / 2) / (goods * bads)


def report(logits: Sequence[float], truths: Sequence[bool], scaling: Scaling) -> dict[str, Any]:
    """Accuracy at one half, false accepts and rejects, AUC, Brier's score, and the curve by tenths of the score."""
    scores = [scaling.probability(logit) for logit in logits]
    calls = [score > 0.5 for score in scores]
    goods, bads = (
        [c for c, t in zip(calls, truths, strict=True) if t],
        [c for c, t in zip(calls, truths, strict=True) if not t],
    )
    tenths: list[list[tuple[float, bool]]] = [[] for _ in range(TENTHS)]
    for score, truth in zip(scores, truths, strict=True):
        tenths[min(TENTHS - 1, int(score * TENTHS))].append((score, truth))
    return {
        "n": len(scores),
        "good": len(goods),
        "accuracy": share([c is t for c, t in zip(calls, truths, strict=True)]),
        "false_accept": share(bads),
        "false_reject": share([not call for call in goods]),
        "auc": auc(logits, truths),
        "brier": mean([(score - truth) ** 2 for score, truth in zip(scores, truths, strict=True)]),
        "curve": [
            {"n": len(tenth), "score": mean([s for s, _ in tenth]), "good": share([t for _, t in tenth])}
            for tenth in tenths
        ],
    }


def share(list_: Sequence[bool]) -> float | None:
    return mean([float(each) for each in list_])


def mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
