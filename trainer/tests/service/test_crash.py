"""kill -9 at every point of an update: after a restart the batch is applied exactly once, with the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import first_batch
from gyre_trainer.engine import process_record
from gyre_trainer.weights import adapter

CHILD = Path(__file__).parent / "crash_child.py"
# conftest.py, and the package beside these tests: the environment may hold that of another worktree.
SEARCHED = os.pathsep.join(str(folder) for folder in CHILD.parents[1:3])


def run(data: Path, model: Path, body: Path, point: str = "never") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(CHILD), str(data), str(model), str(body), point],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"PYTHONPATH": SEARCHED},
    )


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import GOLDEN

    path = tmp_path_factory.mktemp("body") / "body.json"
    path.write_text(json.dumps(first_batch(json.loads(GOLDEN.read_text()))))
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, body: Path) -> tuple[dict[str, Any], bytes]:
    data = tmp_path_factory.mktemp("undisturbed")
    done = run(data, tiny_model, body)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), (data / "adapters" / "gyre-v000001" / adapter.WEIGHTS).read_bytes()


@pytest.mark.parametrize("point", ["before_update", "before_commit", "after_commit", "after_publish"])
def test_a_killed_update_is_applied_exactly_once(
    tmp_path: Path, tiny_model: Path, body: Path, undisturbed: tuple[dict[str, Any], bytes], point: str
) -> None:
    assert run(tmp_path, tiny_model, body, point).returncode == -9
    for child in process_record.recorded(tmp_path / "run" / "children.json"):
        process_record.end([child], 2.0)  # the fake vLLM, in case the kernel has not ended it yet
    again = run(tmp_path, tiny_model, body)
    assert again.returncode == 0, again.stderr[-3000:]
    state = json.loads(again.stdout)
    assert state["state"] == "done" and state["head"] == 1
    assert state["attempts"] == (2 if point in ("before_update", "before_commit") else 1)
    assert (tmp_path / "adapters" / "gyre-v000001" / adapter.WEIGHTS).read_bytes() == undisturbed[1]
    assert state["result"]["metrics"]["loss"] == undisturbed[0]["result"]["metrics"]["loss"]
    if point != "after_publish":
        return
    third = json.loads(run(tmp_path, tiny_model, body).stdout)
    assert third["result"] == state["result"] and third["attempts"] == state["attempts"]


def test_an_update_that_was_halved_is_halved_again_after_a_kill_with_the_same_weights(
    tmp_path: Path, tiny_model: Path, body: Path, undisturbed: tuple[dict[str, Any], bytes]
) -> None:
    sent = json.loads(body.read_text())
    sent["hyper"]["kl_bound"] = 0.6 * undisturbed[0]["result"]["metrics"]["kl_before"]
    halved = tmp_path / "halved.json"
    halved.write_text(json.dumps(sent))
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    one = json.loads(run(straight, tiny_model, halved).stdout)
    assert one["result"]["metrics"]["step_scale"] == 0.5
    assert run(killed, tiny_model, halved, "before_commit").returncode == -9
    for child in process_record.recorded(killed / "run" / "children.json"):
        process_record.end([child], 2.0)
    two = json.loads(run(killed, tiny_model, halved).stdout)
    assert two["attempts"] == 2 and two["result"]["metrics"]["kl_before"] == one["result"]["metrics"]["kl_before"]
    weights = [(data / "adapters" / "gyre-v000001" / adapter.WEIGHTS).read_bytes() for data in (straight, killed)]
    assert weights[0] == weights[1] != undisturbed[1]
