"""The batch as the gateway sends it (schema gyre.batch/1, CONTRACT.md): nouns and their validation, nothing else.

Pure Python, so that a refused batch costs no torch import. Every refusal quotes the offending value.
"""

import hashlib
import json
import math
from dataclasses import dataclass, fields
from typing import Any

from gyre_trainer.contract.errors import ClientError

SCHEMA = "gyre.batch/1"
LOSSES = ("cispo", "dppo", "cross_entropy")
NORMALISATIONS = ("token", "sequence")
# vLLM writes -9999.0 where it has no number; a sampled token below this was not sampled from the logged distribution.
LOWEST_LOGPROB = -1000.0


@dataclass(frozen=True)
class Hyper:
    """Optimiser and loss settings; a batch may leave any of them out.

    The defaults are those of src/batch/assemble.ts for mode `resample`; tests/golden/batch/hyper.json holds both to it.
    Where they come from: the learning rate follows the model's width (`learn/rate.py`), at the packaged model's it is
    QLoRA's for its smaller models, 2e-4 (arXiv 2305.14314); the betas are MiniMax-M1's (2506.13585), a cap of 2 and a
    veto of 1e-4 are those of verl's examples for its rollout correction (`rollout_is_threshold`,
    `rollout_is_veto_threshold`).
    """

    learning_rate: float | None = None  # None = that of the model's width
    epochs: int = 1  # optimiser steps over the same batch
    loss: str = "cispo"
    ratio_cap: float = 2.0  # cispo: importance weight min(pi/mu, cap)
    ratio_floor: float = 0.0  # cispo: a token with pi/mu below it carries no policy gradient
    kl_weight: float = 1e-3  # times (log pi - log mu)^2
    kl_bound: float = 0.05  # nats a token from the policy before; a step beyond it is halved once, then refused
    sequence_veto: float = 1e-4  # an action with any pi/mu below it is dropped whole
    dppo_delta: float = 0.2  # dppo: largest tolerated |pi - mu| in the direction of the advantage
    grad_clip: float = 1.0
    adam_betas: tuple[float, float] = (0.9, 0.95)
    adam_eps: float = 1e-8
    weight_decay: float = 0.0
    normalise: str = "token"
    rank: int = 16
    alpha: int = 32
    seed: int = 7


@dataclass(frozen=True)
class Action:
    """One sampled action: `length` nodes ending at node `end`, each with the log-probability mu it was sampled with."""

    id: str
    end: int
    length: int
    temperature: float
    logprobs: tuple[float, ...]  # natural log after temperature scaling; empty for cross_entropy
    advantage: float
    weight: float


@dataclass(frozen=True)
class Tree:
    """A trie of token ids in depth-first order; `parent[i]` < i, -1 for a root."""

    tokens: tuple[int, ...]
    parent: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """A validated batch: one update's tree, its actions and how they are learnt from."""

    batch_id: str
    mode: str
    base_version: int
    target_version: int
    template_hash: str
    hyper: Hyper
    tree: Tree
    actions: tuple[Action, ...]
    logical_tokens: int  # tokens a row-per-action layout would compute, as the gateway counted them


@dataclass(frozen=True)
class Limits:
    """What the loaded model and the running vLLM can take; a batch beyond it is refused."""

    max_token_id: int
    max_depth: int  # nodes on one path: the model's positions
    max_rank: int  # LoRA rank vLLM was started for


def digest(body: Any) -> str:
    """Identity of a received body, independent of key order and white space."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def refuse(where: str, value: Any, wanted: str) -> ClientError:
    """The error that quotes `value` (cut to 120 characters) and says what is wanted instead."""
    shown = json.dumps(value, default=str)
    return ClientError("batch_schema", f"{where} is {shown[:120]}; {wanted} (supported schema: {SCHEMA})")


def integer(body: dict[str, Any], key: str, where: str, least: int) -> int:
    """`body[key]`, an integer of at least `least`; ClientError `batch_schema` for anything else, true and false too."""
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise refuse(f"{where}{key}", value, f"send an integer >= {least}")
    return value


def number(body: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    """`body[key]` or `default`, a finite number; ClientError `batch_schema` for anything else."""
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse(f"{where}{key}", value, "send a finite number")
    return float(value)


def mapping(body: dict[str, Any], key: str) -> dict[str, Any]:
    """`body[key]`, an object; ClientError `batch_schema` for anything else."""
    value = body.get(key)
    if not isinstance(value, dict):
        raise refuse(key, value, "send an object")
    return value


def parse(body: Any, limits: Limits) -> Batch:
    """Validate a decoded JSON body against the schema and `limits`; raises ClientError `batch_schema`."""
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise refuse("schema", body.get("schema") if isinstance(body, dict) else body, f"send {SCHEMA!r}")
    batch_id, mode = body.get("batch_id"), body.get("mode")
    # The id becomes a file name, so it must not be able to leave its folder.
    if (
        not isinstance(batch_id, str)
        or not 0 < len(batch_id) <= 100
        or not batch_id.replace("_", "").replace("-", "").isalnum()
    ):
        raise refuse("batch_id", batch_id, "send up to 100 letters, digits, '-' or '_'")
    if not isinstance(mode, str):
        raise refuse("mode", mode, "send resample, logged or sft")
    hyper = parse_hyper(mapping(body, "hyper"))
    base, target = integer(body, "base_version", "", 0), integer(body, "target_version", "", 1)
    if target <= base:
        raise refuse("target_version", target, f"send a number above base_version {base}")
    model, counts = mapping(body, "model"), mapping(body, "counts")
    limit = min(integer(model, "max_token_id", "model.", 0), limits.max_token_id)
    tree, depth = parse_tree(mapping(body, "tree"), limit, limits.max_depth)
    raw = body.get("actions")
    if not isinstance(raw, list) or not raw:
        raise refuse("actions", raw, "send at least one action")
    actions = tuple(parse_action(action, f"actions[{i}].", hyper, depth) for i, action in enumerate(raw))
    for key, real in (("distinct_tokens", len(tree.tokens)), ("actions", len(actions))):
        if counts.get(key) != real:
            raise refuse(f"counts.{key}", counts.get(key), f"the batch itself holds {real}")
    logical = integer(counts, "logical_tokens", "counts.", 1)
    if hyper.rank > limits.max_rank:
        raise refuse("hyper.rank", hyper.rank, f"vLLM was started for ranks up to {limits.max_rank}")
    template_hash = str(model.get("template_hash") or "")
    return Batch(batch_id, mode, base, target, template_hash, hyper, tree, actions, logical)


def parse_hyper(body: dict[str, Any]) -> Hyper:
    """Settings, with defaults for absent keys; ClientError `batch_schema` for an unknown key or a wrong value."""
    known = {field.name for field in fields(Hyper)}
    for key in body:
        if key not in known:  # a misspelt setting would silently train with a default
            raise refuse(f"hyper.{key}", body[key], f"unknown key; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for key in known & body.keys():
        if key in ("epochs", "rank", "alpha", "seed"):
            values[key] = integer(body, key, "hyper.", 0 if key == "seed" else 1)
        elif key == "adam_betas":
            betas = body[key]
            if (
                not isinstance(betas, list)
                or len(betas) != 2
                or not all(isinstance(b, int | float) and 0 <= b < 1 for b in betas)
            ):
                raise refuse("hyper.adam_betas", betas, "send two numbers in [0, 1)")
            values[key] = (float(betas[0]), float(betas[1]))
        elif key in ("loss", "normalise"):
            choices = LOSSES if key == "loss" else NORMALISATIONS
            if body[key] not in choices:
                raise refuse(f"hyper.{key}", body[key], f"send one of {', '.join(choices)}")
            values[key] = body[key]
        else:
            values[key] = number(body, key, "hyper.")
            if values[key] < 0:
                raise refuse(f"hyper.{key}", body[key], "send a number >= 0")
    return Hyper(**values)


def parse_tree(body: dict[str, Any], max_token_id: int, max_depth: int) -> tuple[Tree, list[int]]:
    """The tree and every node's depth (root 0)."""
    tokens, parent = body.get("tokens"), body.get("parent")
    if not isinstance(tokens, list) or not isinstance(parent, list) or len(tokens) != len(parent) or not tokens:
        raise refuse(
            "tree",
            {"tokens": type(tokens).__name__, "parent": type(parent).__name__},
            "send two arrays of equal length > 0",
        )
    depth: list[int] = []
    path: list[int] = []  # the ancestors of the next node, root first
    for i, (token, above) in enumerate(zip(tokens, parent, strict=True)):
        if type(token) is not int or not 0 <= token <= max_token_id:
            raise refuse(f"tree.tokens[{i}]", token, f"send a token id in 0..{max_token_id}")
        if type(above) is not int or not -1 <= above < i:
            raise refuse(f"tree.parent[{i}]", above, f"a parent is -1 or an index below {i}")
        level = 0 if above < 0 else depth[above] + 1
        if level > len(path) or (above >= 0 and path[level - 1] != above):
            raise refuse(f"tree.parent[{i}]", above, "nodes must be in depth-first order")
        if level >= max_depth:
            raise refuse(f"tree.tokens[{i}]", token, f"its depth {level} is beyond the model's {max_depth} positions")
        del path[level:]
        path.append(i)
        depth.append(level)
    return Tree(tuple(tokens), tuple(parent)), depth


def parse_action(body: Any, where: str, hyper: Hyper, depth: list[int]) -> Action:
    """One action, checked against the tree's `depth` of each node; ClientError `batch_schema`."""
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise refuse(where + "id", body, "send an object with a string id")
    end, length = integer(body, "end", where, 0), integer(body, "length", where, 1)
    if end >= len(depth):
        raise refuse(where + "end", end, f"the tree has {len(depth)} nodes")
    if length > depth[end]:  # the first action token needs a parent, whose logits give its probability
        raise refuse(where + "length", length, f"node {end} has only {depth[end]} nodes above the first one")
    temperature = number(body, "temperature", where, 1.0)
    if temperature <= 0:
        raise refuse(where + "temperature", temperature, "only sampled actions (temperature > 0) can be trained")
    logprobs = body.get("logprobs") or []
    if hyper.loss != "cross_entropy" or logprobs:
        if not isinstance(logprobs, list) or len(logprobs) != length:
            raise refuse(where + "logprobs", logprobs, f"send {length} numbers, one for each token of the action")
        for i, value in enumerate(logprobs):
            if isinstance(value, bool) or not isinstance(value, int | float) or not LOWEST_LOGPROB < value <= 1e-3:
                raise refuse(f"{where}logprobs[{i}]", value, "send the finite natural log of a probability")
    weight = number(body, "weight", where, 1.0)
    if weight < 0:
        raise refuse(where + "weight", weight, "send a number >= 0")
    advantage = number(body, "advantage", where, 0.0)
    return Action(body["id"], end, length, temperature, tuple(float(v) for v in logprobs), advantage, weight)
