"""Batch validation: the golden file is accepted as TypeScript writes it, and every fault is refused by name."""

import copy
import json
from dataclasses import asdict
from typing import Any

import pytest

from conftest import GOLDEN
from gyre_trainer.contract import batch
from gyre_trainer.contract.errors import ClientError
from gyre_trainer.learn.rate import rate_for


def parse(body: Any) -> batch.Batch:
    return batch.parse(body, batch.Limits(max_token_id=49151, max_depth=8192, max_rank=64))


def test_the_golden_batch_is_read_field_by_field(golden: dict[str, Any]) -> None:
    parsed = parse(golden)
    assert (
        parsed.batch_id == golden["batch_id"]
        and parsed.hyper.loss == "cispo"
        and parsed.hyper.adam_betas == (0.9, 0.95)
    )
    assert len(parsed.tree.tokens) == golden["counts"]["distinct_tokens"] and len(parsed.actions) == 4
    walked = []
    for action in parsed.actions:
        node, path = action.end, []
        for _ in range(action.length):
            path.append(parsed.tree.tokens[node])
            node = parsed.tree.parent[node]
        walked.append(path[::-1])
    assert walked == [[20, 21, 2], [20, 22, 2], [20, 21, 2], [30, 2]]


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(body)
    target: Any = body
    *keys, last = path.split(".")
    for key in keys:
        target = target[int(key)] if key.isdigit() else target[key]
    target[int(last) if last.isdigit() else last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", "gyre.batch/2", "gyre.batch/2"),
        ("batch_id", "../evil", "batch_id"),
        ("target_version", 3, "above base_version"),
        ("hyper.learning_rat", 1.0, "unknown key"),
        ("hyper.loss", "ppo", "cispo, dppo, cross_entropy"),
        ("hyper.grad_clip", float("nan"), "finite"),
        ("hyper.rank", 65, "ranks up to 64"),
        ("tree.parent.3", 3, "below 3"),
        ("tree.parent.3", -2, "parent[3]"),
        ("tree.parent.9", 4, "distinct"),
        ("tree.tokens.2", 31, "0..30"),
        ("tree.tokens.2", 1.5, "token id"),
        ("actions.0.end", 99, "15 nodes"),
        ("actions.0.length", 7, "above the first one"),
        ("actions.0.logprobs", [-0.5], "3 numbers"),
        ("actions.0.logprobs.1", float("inf"), "finite"),
        ("actions.0.logprobs.1", -9999.0, "finite natural log"),
        ("actions.0.logprobs.1", 0.5, "natural log of a probability"),
        ("actions.0.advantage", float("nan"), "finite"),
        ("actions.0.temperature", 0, "temperature > 0"),
        ("counts.actions", 5, "holds 4"),
    ],
)
def test_a_fault_is_refused_and_quoted(golden: dict[str, Any], path: str, value: Any, says: str) -> None:
    if says == "distinct":
        parse(changed(golden, path, value))  # another parent, still depth-first: a different but valid tree
        return
    with pytest.raises(ClientError) as caught:
        parse(changed(golden, path, value))
    assert caught.value.code == "batch_schema" and caught.value.status == 422 and says in caught.value.message


def test_nodes_out_of_depth_first_order_are_refused(golden: dict[str, Any]) -> None:
    body = changed(golden, "tree.parent.10", 8)  # node 8's subtree ended when node 9 hung on node 2
    with pytest.raises(ClientError, match="depth-first"):
        parse(body)


def test_a_token_beyond_the_models_positions_is_refused(golden: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="positions"):
        batch.parse(golden, batch.Limits(49151, max_depth=4, max_rank=64))


def test_supervised_actions_come_without_log_probabilities(golden: dict[str, Any]) -> None:
    body = changed(golden, "hyper.loss", "cross_entropy") | {"mode": "sft"}
    for action in body["actions"]:
        del action["logprobs"]
    assert parse(body).actions[0].logprobs == ()
    body["hyper"]["loss"] = "cispo"
    with pytest.raises(ClientError, match="logprobs"):
        parse(body)


def test_identity_of_a_body_ignores_key_order_only(golden: dict[str, Any]) -> None:
    shuffled = json.loads(json.dumps(dict(reversed(list(golden.items())))))
    assert batch.digest(golden) == batch.digest(shuffled)
    assert batch.digest(golden) != batch.digest(changed(golden, "actions.0.advantage", 0.1))


def test_every_default_is_the_one_both_languages_are_held_to(golden: dict[str, Any]) -> None:
    truth = json.loads(GOLDEN.with_name("hyper.json").read_text())
    ours = json.loads(json.dumps(asdict(batch.Hyper())))  # as JSON has it: the betas a list
    assert ours.pop("learning_rate") is None  # left to the model's width, as the gateway leaves it to us
    for width, rate in truth["learning_rate_by_width"].items():
        assert rate_for(int(width)) == pytest.approx(rate, rel=1e-3)
    assert ours == truth["defaults"] | truth["known_to_the_trainer_only"]
    for differs in truth["differs_by_mode"].values():  # and what TypeScript sends is what arrives
        sent = truth["defaults"] | differs
        arrived = json.loads(json.dumps(asdict(parse(golden | {"hyper": sent}).hyper)))
        assert arrived.pop("learning_rate") is None
        assert arrived == sent | truth["known_to_the_trainer_only"]
