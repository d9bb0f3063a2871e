"""A judge is learned: an adapter that prefers the word for good to the word for bad behind what is good.

The logit is that of one word minus that of the other where the prompt ends; the loss is binary cross entropy, each
class with half the weight. It is done in slices, between which the policy's adapter is back in the model: what a slice
leaves is weights and Adam's state, so that where it is cut changes nothing. The same labels and seed give the same
adapter on the same machine.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gyre_trainer.contract.errors import TrainerError
from gyre_trainer.contract.labels import PARTS, Label, Labels
from gyre_trainer.learn import agreement, tree
from gyre_trainer.learn.policy import Policy
from gyre_trainer.learn.rate import rate_for
from gyre_trainer.learn.score import trie

BETAS = (0.9, 0.999)
WIDER = 1.5  # of the policy's rate: a judge is trained on labels, and nobody has to recognise it afterwards
WARM = 0.05  # of the steps, up to the rate; from there it falls to
LOWEST = 0.1  # of it
SLICE_S = 15.0  # whoever waits for the model waits as long as this, and one step


def preferences(policy: Policy, prompts: Sequence[tuple[int, ...]], good: int, bad: int) -> torch.Tensor:
    """float32 [len(prompts)]: the logit of `good` minus that of `bad` behind each prompt. What they share is computed
    once.
    """
    forest, ends = trie([(list(prompt), [], 1.0) for prompt in prompts])
    states = policy.hidden(tree.plan(forest, tree.block_for(policy.device)))
    last = states.index_select(0, torch.tensor([end.end for end in ends], device=states.device))
    logits = policy.head.of([good, bad]).logits(last)
    return logits[:, 0] - logits[:, 1]


@dataclass
class Training:
    """One version of a judge in the making."""

    labels: Labels
    rate: float
    weights: dict[str, torch.Tensor] | None = None
    moments: dict[str, Any] | None = None
    steps: int = 0  # taken
    losses: list[float] = field(default_factory=list)
    logits: dict[int, float] = field(default_factory=dict)  # of labels that are not trained on, by their place
    seconds: float = 0.0

    @staticmethod
    def of(labels: Labels, hidden_size: int) -> "Training":
        rate = labels.hyper.learning_rate
        return Training(labels, WIDER * rate_for(hidden_size) if rate is None else rate)

    @property
    def trained_on(self) -> list[Label]:
        return self.labels.of("train")

    @property
    def steps_in_all(self) -> int:
        return self.labels.hyper.passes * math.ceil(len(self.trained_on) / self.labels.hyper.batch)

    @property
    def held(self) -> list[int]:
        """Places of the labels that are not trained on."""
        return [i for i, label in enumerate(self.labels.labels) if label.part != "train"]

    @property
    def done(self) -> bool:
        return self.steps == self.steps_in_all and len(self.logits) == len(self.held)

    @property
    def progress(self) -> float:
        """Scoring is a third of training, token by token."""
        whole = self.steps_in_all + len(self.held) / (3 * self.labels.hyper.batch)
        return (self.steps + len(self.logits) / (3 * self.labels.hyper.batch)) / whole

    def batch_of(self, step: int) -> list[Label]:
        """The labels of a step: each pass has all of them, in an order of its own."""
        hyper, known = self.labels.hyper, self.trained_on
        a_pass = math.ceil(len(known) / hyper.batch)
        order = torch.randperm(
            len(known), generator=torch.Generator().manual_seed(hyper.seed * 1_000 + step // a_pass)
        ).tolist()
        first = step % a_pass * hyper.batch
        return [known[i] for i in order[first : first + hyper.batch]]

    def rate_at(self, step: int) -> float:
        warm = max(1, math.ceil(WARM * self.steps_in_all))
        if step < warm:
            return self.rate * (step + 1) / warm
        left = (self.steps_in_all - step) / max(1, self.steps_in_all - warm)
        return self.rate * (LOWEST + (1 - LOWEST) * left)


def work(training: Training, policy: Policy, slice_s: float = SLICE_S) -> None:
    """Go on for a slice. `policy` has the judge's shape; what its adapter is before and after is the caller's matter.

    TrainerError `non_finite`.
    """
    begun = time.monotonic()
    named = policy.parameters()
    parameters = [named[name] for name in sorted(named)]
    if training.weights is None:
        policy.reset(training.labels.hyper.seed)
    else:
        policy.load(training.weights)
    adam = torch.optim.AdamW(parameters, lr=0.0, betas=BETAS, weight_decay=0.0)
    if training.moments is not None:
        adam.load_state_dict(training.moments)
    while training.steps < training.steps_in_all:
        take_step(training, policy, adam, parameters)
        if time.monotonic() - begun >= slice_s:
            break
    training.weights, training.moments = policy.snapshot(), adam.state_dict()
    if training.steps == training.steps_in_all:
        training.moments = None
        score(training, policy, begun + slice_s)
    training.seconds += time.monotonic() - begun


def take_step(
    training: Training, policy: Policy, adam: torch.optim.AdamW, parameters: list[torch.nn.Parameter]
) -> None:
    labels, batch = training.labels, training.batch_of(training.steps)
    goods = sum(label.good for label in training.trained_on)
    share = {True: goods / len(training.trained_on), False: 1 - goods / len(training.trained_on)}
    for group in adam.param_groups:
        group["lr"] = training.rate_at(training.steps)
    adam.zero_grad(set_to_none=True)
    logits = preferences(policy, [label.ids for label in batch], labels.good, labels.bad)
    truths = torch.tensor([float(label.good) for label in batch], device=logits.device)
    weights = torch.tensor([0.5 / share[label.good] for label in batch], device=logits.device)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truths, weights, reduction="sum") / len(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, labels.hyper.grad_clip))
    if not math.isfinite(norm) or not math.isfinite(float(loss.detach())):
        raise TrainerError(
            "non_finite",
            f"loss {float(loss.detach())} and gradient norm {norm} in step {training.steps + 1} of "
            f"{training.steps_in_all}; set a lower rate for the judge {labels.judge!r}",
        )
    adam.step()
    adam.zero_grad(set_to_none=True)
    training.losses.append(float(loss.detach()))
    training.steps += 1


def score(training: Training, policy: Policy, until: float) -> None:
    """The logits of labels that were not trained on, a batch at a time."""
    labels = training.labels
    waiting = [i for i in training.held if i not in training.logits]
    for first in range(0, len(waiting), labels.hyper.batch):
        some = waiting[first : first + labels.hyper.batch]
        found = judged(policy, [labels.labels[i].ids for i in some], labels)
        training.logits.update(zip(some, found, strict=True))
        if time.monotonic() >= until:
            return


def judged(policy: Policy, prompts: Sequence[tuple[int, ...]], labels: Labels) -> list[float]:
    """What the adapter that is in `policy` thinks of prompts. TrainerError `non_finite`."""
    with torch.no_grad():
        found: list[float] = preferences(policy, prompts, labels.good, labels.bad).tolist()
    if not all(math.isfinite(each) for each in found):
        raise TrainerError("non_finite", f"the judge {labels.judge!r} thinks {found} of labels: no numbers")
    return found


def report(training: Training) -> dict[str, Any]:
    """What a judge that is done is worth, by labels it has not seen; and the scaling fitted on the part `fit`."""
    labels = training.labels.labels

    def of(part: str, cluster: str | None = None) -> tuple[list[float], list[bool]]:
        some = [
            i for i in training.held if labels[i].part == part and (cluster is None or labels[i].cluster == cluster)
        ]
        return [training.logits[i] for i in some], [labels[i].good for i in some]

    fitted = agreement.fitted(*of("fit"))
    scaling = fitted or agreement.Scaling()
    clusters = sorted({label.cluster for label in labels if label.part == "test"})
    tail = training.losses[-max(1, len(training.losses) // 10) :]
    return {
        "calibration": {"scale": scaling.scale, "bias": scaling.bias, "fitted": fitted is not None},
        "labels": {part: len(training.labels.of(part)) for part in PARTS},
        "test": agreement.report(*of("test"), scaling),
        "unseen": agreement.report(*of("unseen"), scaling),
        "clusters": [{"cluster": each} | in_short(agreement.report(*of("test", each), scaling)) for each in clusters],
        "loss": {"first": training.losses[0], "last": sum(tail) / len(tail)},
        "steps": training.steps,
        "rate": training.rate,
        "seconds": training.seconds,
    }


def in_short(whole: dict[str, Any]) -> dict[str, Any]:
    return {key: whole[key] for key in ("n", "accuracy", "auc")}
