"""Labels that a judge is trained on, as the gateway sends them (schema gyre.labels/1, CONTRACT.md). Pure Python."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from gyre_trainer.contract import batch
from gyre_trainer.contract.batch import Limits, integer, mapping, number, refuse
from gyre_trainer.contract.errors import ClientError

SCHEMA = "gyre.labels/1"
Part = Literal["train", "fit", "test", "unseen"]
PARTS: tuple[Part, ...] = ("train", "fit", "test", "unseen")
LEAST = 2  # of each class, to train on
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
MOST_PASSES = 100


@dataclass(frozen=True)
class Label:
    """A prompt that ends where the word is to stand, and which word it is."""

    ids: tuple[int, ...]
    good: bool
    part: Part  # trained on; calibrated on; reported on; reported on, of clusters that are not trained on
    cluster: str


@dataclass(frozen=True)
class JudgeHyper:
    """Settings of a judge's training; each may be left out."""

    rank: int = 16
    alpha: int = 32
    learning_rate: float | None = None  # None = 1.5 times that of the model's width: 3e-4 for the packaged model
    passes: int = 3
    batch: int = 16
    grad_clip: float = 1.0
    seed: int = 7


@dataclass(frozen=True)
class Labels:
    """What one version of one judge is trained on."""

    judge: str
    version: int
    labels_hash: str
    good: int  # token ids of the two words
    bad: int
    hyper: JudgeHyper
    labels: tuple[Label, ...]

    @property
    def name(self) -> str:
        """In the engine, and of the adapter's directory."""
        return name_of(self.judge, self.version)

    def of(self, part: Part) -> list[Label]:
        return [label for label in self.labels if label.part == part]


def name_of(judge: str, version: int) -> str:
    """The name of a version of a judge: never one of a policy's."""
    return f"judge-{judge}-v{version}"


def parse(body: Any, limits: Limits) -> Labels:
    """The labels, checked; ClientError `labels_schema` that quotes what is wrong."""
    try:
        return read(body, limits)
    except ClientError as error:
        raise ClientError("labels_schema", error.message.replace(batch.SCHEMA, SCHEMA)) from None


def read(body: Any, limits: Limits) -> Labels:
    """The same with the code that a batch's faults have."""
    if not isinstance(body, dict):
        raise refuse("the body", body, "an object")
    if body.get("schema") != SCHEMA:
        raise refuse("schema", body.get("schema"), SCHEMA)
    judge = body.get("judge")
    if not isinstance(judge, str) or not NAME.fullmatch(judge):
        raise refuse("judge", judge, "lower-case letters, digits and _, a letter first")
    digest = body.get("labels_hash")
    if not isinstance(digest, str) or not digest:
        raise refuse("labels_hash", digest, "a text")
    good, bad = (word_of(body, key, limits.max_token_id) for key in ("good", "bad"))
    if good == bad:
        raise refuse("bad", bad, "another token than good")
    raw = body.get("labels")
    if not isinstance(raw, list) or not raw:
        raise refuse("labels", raw, "a list that is not empty")
    labels = tuple(label_of(entry, f"labels[{i}]", limits) for i, entry in enumerate(raw))
    for word in (True, False):
        count = sum(label.good is word for label in labels if label.part == "train")
        if count < LEAST:
            raise refuse(
                "labels", f"{count} {'good' if word else 'bad'} ones to train on", f"at least {LEAST} of either class"
            )
    hyper = hyper_of(mapping(body, "hyper"), limits.max_rank)
    return Labels(judge, integer(body, "version", "", 1), digest, good, bad, hyper, labels)


def word_of(body: dict[str, Any], key: str, most: int) -> int:
    token = integer(body, key, "", 0)
    if token > most:
        raise refuse(key, token, f"a token id of 0..{most}")
    return token


def label_of(entry: Any, where: str, limits: Limits) -> Label:
    if not isinstance(entry, dict):
        raise refuse(where, entry, "an object")
    ids = entry.get("ids")
    if not isinstance(ids, list) or not ids or not all(type(t) is int and 0 <= t <= limits.max_token_id for t in ids):
        raise refuse(f"{where}.ids", "...", f"a non-empty list of token ids 0..{limits.max_token_id}")
    if len(ids) >= limits.max_depth:
        raise refuse(f"{where}.ids", f"{len(ids)} tokens", f"fewer than {limits.max_depth}")
    good, part, cluster = entry.get("good"), entry.get("part"), entry.get("cluster")
    if not isinstance(good, bool):
        raise refuse(f"{where}.good", good, "true or false")
    if part not in PARTS:
        raise refuse(f"{where}.part", part, " or ".join(PARTS))
    if not isinstance(cluster, str):
        raise refuse(f"{where}.cluster", cluster, "a text")
    return Label(tuple(ids), good, part, cluster)


def hyper_of(body: dict[str, Any], max_rank: int) -> JudgeHyper:
    names = set(JudgeHyper.__dataclass_fields__)
    for key in body:
        if key not in names:
            raise refuse(f"hyper.{key}", body[key], f"one of {', '.join(sorted(names))}")
    ones = ("rank", "alpha", "passes", "batch")
    whole: dict[str, int] = {key: integer(body, key, "hyper.", 1) for key in ones if key in body}
    if "seed" in body:
        whole["seed"] = integer(body, "seed", "hyper.", 0)
    rate = None if body.get("learning_rate") is None else number(body, "learning_rate", "hyper.")
    hyper = JudgeHyper(**whole, learning_rate=rate, grad_clip=number(body, "grad_clip", "hyper.", 1.0))
    if hyper.rank > max_rank:
        raise refuse("hyper.rank", hyper.rank, f"at most {max_rank}, which the engine is started for")
    if hyper.passes > MOST_PASSES:
        raise refuse("hyper.passes", hyper.passes, f"at most {MOST_PASSES}")
    for key, value in (("learning_rate", rate), ("grad_clip", hyper.grad_clip)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise refuse(f"hyper.{key}", value, "a number above 0")
    return hyper
