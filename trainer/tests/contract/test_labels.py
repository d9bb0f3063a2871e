"""Labels of a judge: what is taken, and that a refusal names what is wrong."""

from typing import Any

import pytest

from gyre_trainer.contract import labels
from gyre_trainer.contract.batch import Limits
from gyre_trainer.contract.errors import ClientError

LIMITS = Limits(99, 64, 16)


def body(**more: Any) -> dict[str, Any]:
    entry = {"ids": [1, 2, 3], "good": True, "part": "train", "cluster": "a"}
    entries = [entry, entry, entry | {"good": False}, entry | {"good": False}, entry | {"part": "test"}]
    whole = {"schema": labels.SCHEMA, "judge": "critic", "version": 2, "labels_hash": "sha256:x", "good": 7, "bad": 8}
    return whole | {"hyper": {"rank": 4, "alpha": 8}, "labels": entries} | more


def test_labels_are_read_with_the_defaults_of_what_is_left_out() -> None:
    read = labels.parse(body(), LIMITS)
    assert (read.name, read.good, read.bad, len(read.of("train")), len(read.of("test"))) == (
        "judge-critic-v2",
        7,
        8,
        4,
        1,
    )
    assert (read.hyper.rank, read.hyper.passes, read.hyper.learning_rate) == (4, 3, None)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"schema": "gyre.labels/0"}, "gyre.labels/0"),
        ({"judge": "../gyre"}, "../gyre"),
        ({"good": 8}, "bad"),
        ({"bad": 100}, "100"),
        ({"labels": []}, "labels"),
        ({"labels": [{"ids": [1], "good": True, "part": "train", "cluster": ""}] * 4}, "0 bad ones"),
        ({"labels": [{"ids": [100], "good": True, "part": "train", "cluster": ""}]}, "labels[0].ids"),
        ({"labels": [{"ids": [1] * 64, "good": True, "part": "train", "cluster": ""}]}, "64 tokens"),
        ({"labels": [{"ids": [1], "good": 1, "part": "train", "cluster": ""}]}, "labels[0].good"),
        ({"labels": [{"ids": [1], "good": True, "part": "gold", "cluster": ""}]}, "gold"),
        ({"hyper": {"rank": 32}}, "32"),
        ({"hyper": {"lerning_rate": 1}}, "lerning_rate"),
        ({"hyper": {"learning_rate": 0}}, "learning_rate"),
        ({"version": 0}, "version"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ClientError) as refused:
        labels.parse(body(**wrong), LIMITS)
    assert refused.value.code == "labels_schema" and named in refused.value.message
    assert labels.SCHEMA in refused.value.message
