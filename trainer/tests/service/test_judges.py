"""Judges in the running service: trained beside the policy, loaded under their own names, never twice."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from test_app import Client

from conftest import config_for, first_batch, service, started, wait_for
from gyre_trainer.contract.errors import ClientError
from gyre_trainer.contract.labels import SCHEMA
from gyre_trainer.engine.engine import Engine
from gyre_trainer.learn import judge
from gyre_trainer.machine import durable
from gyre_trainer.service import judges as judges_
from gyre_trainer.service.app import create_app
from gyre_trainer.service.learner import Learner

Running = tuple[Engine, Learner, Any]


def labels(version: int = 1, digest: str = "sha256:one", rank: int = 4, passes: int = 1) -> dict[str, Any]:
    entries = [
        {"ids": [5, 6, 50 if good else 60, 100 + number, 9], "good": good, "part": part, "cluster": "all"}
        for part, count in (("train", 12), ("fit", 10), ("test", 8))
        for number in range(count)
        for good in (True, False)
    ]
    return {
        "schema": SCHEMA,
        "judge": "critic",
        "version": version,
        "labels_hash": digest,
        "good": 400,
        "bad": 401,
        "hyper": {"rank": rank, "alpha": 2 * rank, "passes": passes, "learning_rate": 0.01},
        "labels": entries,
    }


def over(learner: Learner, name: str = "judge-critic-v1") -> dict[str, Any]:
    wait_for(lambda: learner.judges.state(name)["state"] in ("done", "failed"))
    return learner.judges.state(name)


def test_a_judge_is_trained_published_loaded_and_told(running: Running) -> None:
    engine, learner, config = running
    answer, new = learner.judges.submit(labels())
    assert new and answer["name"] == "judge-critic-v1" and answer["labels_hash"] == "sha256:one"
    done = over(learner)
    assert done["state"] == "done", done
    assert done["result"]["adapter"].startswith("sha256:") and done["result"]["report"]["test"]["n"] == 16
    assert done["result"]["parity"]["n"] == 16
    assert "judge-critic-v1" in engine.client().loaded() and engine.loaded_judges() == ["judge-critic-v1"]
    # It is no version of the policy, and the policy is what it was.
    assert learner.head.version == 0 and engine.loaded() == []
    assert (config.judges / "judge-critic-v1" / durable.MARKER).is_file()
    assert learner.judges.submit(labels()) == (learner.judges.state("judge-critic-v1"), False)
    assert learner.judges.training() is None


def test_other_labels_under_the_same_number_are_refused(running: Running) -> None:
    _, learner, _ = running
    learner.judges.submit(labels())
    with pytest.raises(ClientError) as refused:
        learner.judges.submit(labels(digest="sha256:two"))
    assert refused.value.code == "judge_conflict"
    over(learner)
    with pytest.raises(ClientError):
        learner.judges.submit(labels(digest="sha256:two"))


def test_the_policy_is_trained_between_slices_as_if_there_were_no_judge(
    running: Running,
    golden: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge.work, "__defaults__", (0.0,))  # a step a slice
    _, learner, config = running
    learner.judges.submit(labels(rank=8, passes=6))
    body = first_batch(golden)
    learner.submit("bat_one", body)
    wait_for(lambda: learner.records.get("bat_one").state in ("done", "failed"))  # type: ignore[union-attr]
    assert learner.records.get("bat_one").state == "done"  # type: ignore[union-attr]
    between = learner.judges.state("judge-critic-v1")["state"]
    assert over(learner)["state"] == "done"
    assert between == "training"
    with started(tmp_path_factory.mktemp("alone"), tiny_model) as (_, alone, alone_config):
        alone.submit("bat_one", body)
        wait_for(lambda: alone.records.get("bat_one").state == "done")  # type: ignore[union-attr]
    from safetensors.torch import load_file

    with_judge, without = (
        load_file(str(each.adapters / "gyre-v000001" / "adapter_model.safetensors")) for each in (config, alone_config)
    )
    assert all(torch.equal(with_judge[name], without[name]) for name in without)


@pytest.mark.parametrize("killed_at", ["after_slice", "after_publish"])
def test_what_was_cut_off_begins_anew_and_what_was_made_is_only_loaded(
    tmp_path: Path, tiny_model: Path, killed_at: str
) -> None:
    class Killed(BaseException):
        """Ends the thread as a kill would end the process."""

    def kill(point: str) -> None:
        if point == killed_at:
            raise Killed

    engine, learner = service(tmp_path, tiny_model, kill)
    engine.supervisor.start()
    learner.start()
    try:
        wait_for(lambda: learner.phase == "ready")
        learner.judges.submit(labels())
        wait_for(lambda: not learner._thread.is_alive())
    finally:
        engine.supervisor.stop()
    directory = tmp_path / "judges" / "judge-critic-v1"
    made = durable.is_published(directory)
    assert made == (killed_at == "after_publish")
    with started(tmp_path, tiny_model) as (after, again, _):
        with pytest.raises(ClientError):
            again.judges.state("judge-critic-v1")
        written = (directory / "manifest.json").stat().st_mtime_ns if made else 0
        again.judges.submit(labels())
        done = over(again)
        assert done["state"] == "done", done
        assert done["result"]["parity"]["n"] == 16
        assert "judge-critic-v1" in after.client().loaded()
        assert not made or (directory / "manifest.json").stat().st_mtime_ns == written


def test_an_engine_that_comes_back_has_its_judges_again_and_not_those_that_were_unloaded(
    tmp_path: Path, tiny_model: Path
) -> None:
    with started(tmp_path, tiny_model) as (_, learner, _config):
        for version in (1, 2):
            learner.judges.submit(labels(version))
            over(learner, f"judge-critic-v{version}")
        learner.judges.unload("judge-critic-v1")
    with started(tmp_path, tiny_model) as (engine, learner, config):
        assert engine.client().loaded() == {"judge-critic-v2"}
        (config.judges / "judge-critic-v1" / durable.MARKER).unlink()
        with pytest.raises(ClientError) as refused:
            learner.judges.load("judge-critic-v1")
        assert refused.value.code == "no_such_judge"
        assert learner.judges.remove("judge-critic-v2")
        assert engine.client().loaded() == set() and not learner.judges.remove("judge-critic-v2")


def test_the_routes_say_what_the_contract_has(tmp_path: Path, tiny_model: Path) -> None:
    with started(tmp_path, tiny_model) as (engine, learner, config):
        call = Client(create_app(config, engine, learner))
        assert call("GET", "/v1/judges/critic/1").status_code == 404
        assert call("GET", "/v1/judges/..%2Fx/1").status_code == 404
        sent = call("POST", "/v1/judges", labels())
        assert sent.status_code == 202 and sent.json()["name"] == "judge-critic-v1"
        deadline = time.monotonic() + 120
        while call("GET", "/v1/judges/critic/1").json()["state"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert call("POST", "/v1/judges", labels()).status_code == 200
        assert call("GET", "/health").json()["judges"] == {"loaded": ["judge-critic-v1"], "training": None}
        assert call("POST", "/v1/judges/critic/1/unload").json() == {"name": "judge-critic-v1", "loaded": False}
        assert call("GET", "/health").json()["judges"]["loaded"] == []
        assert call("POST", "/v1/judges/critic/1/load").json()["loaded"] is True
        assert call("DELETE", "/v1/judges/critic/1").json() == {"name": "judge-critic-v1", "removed": True}
        refused = call("POST", "/v1/judges", labels() | {"labels": json.loads("[]")})
        assert refused.status_code == 422 and refused.json()["error"]["code"] == "labels_schema"


def test_names_are_never_those_of_a_policy() -> None:
    assert judges_.labels.name_of("gyre", 1).startswith("judge-")
    assert config_for(Path("/d"), Path("/m")).judges != config_for(Path("/d"), Path("/m")).adapters
