"""The service around an update: idempotency, refusals, versions, recovery of vLLM; with a fake vLLM over real HTTP."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import first_batch, service, started, wait_for
from gyre_trainer.config import Config
from gyre_trainer.contract.errors import ClientError
from gyre_trainer.engine.engine import Engine
from gyre_trainer.service.learner import Learner
from gyre_trainer.weights import adapter

Running = tuple[Engine, Learner, Config]


def finish(learner: Learner, body: dict[str, Any]) -> dict[str, Any]:
    record, _ = learner.submit(body["batch_id"], body)
    wait_for(lambda: record.state in ("done", "failed"))
    return record.answer()


def test_a_batch_becomes_a_loaded_version_and_the_head_once(running: Running, golden: dict[str, Any]) -> None:
    engine, learner, _ = running
    body = first_batch(golden)
    done = finish(learner, body)
    assert done["state"] == "done", done
    result = done["result"]
    assert (result["version"], result["name"], learner.head.version) == (1, "gyre-v000001", 1)
    assert Path(result["path"]).is_dir() and result["first_token_seconds"] < 5 and result["differs_from_base"] > 0
    assert engine.loaded() == [{"version": 1, "name": "gyre-v000001"}]
    weights = (Path(result["path"]) / adapter.WEIGHTS).read_bytes()
    again, new = learner.submit(body["batch_id"], body)
    assert not new and again.answer() == done
    assert (Path(result["path"]) / adapter.WEIGHTS).read_bytes() == weights
    with pytest.raises(ClientError) as caught:
        learner.submit(body["batch_id"], body | {"mode": "logged"})
    assert (caught.value.code, caught.value.status) == ("batch_conflict", 409)

    second = finish(learner, first_batch(golden, "bat_two", 1, 2))
    assert second["state"] == "done" and learner.head.version == 2


def test_a_batch_on_an_old_head_or_for_a_used_version_is_refused(running: Running, golden: dict[str, Any]) -> None:
    _, learner, _ = running
    with pytest.raises(ClientError) as caught:
        learner.submit("bat_x", first_batch(golden, "bat_x", base=3, target=4))
    assert (caught.value.code, caught.value.status) == ("stale_base", 409) and "head is 0" in caught.value.message
    with pytest.raises(ClientError, match="send the same value"):
        learner.submit("other", first_batch(golden))


def test_a_non_finite_batch_fails_and_the_next_one_works(running: Running, golden: dict[str, Any]) -> None:
    _, learner, _ = running
    bad = first_batch(golden, "bat_bad")
    bad["actions"][0]["advantage"] = 1e300
    failed = finish(learner, bad)
    assert failed["state"] == "failed" and failed["error"]["code"] == "non_finite" and learner.head.version == 0
    assert finish(learner, first_batch(golden, "bat_good"))["state"] == "done"


def test_rollback_serves_old_weights_under_a_new_number_and_training_goes_on_from_them(
    running: Running, golden: dict[str, Any]
) -> None:
    from gyre_trainer.weights import versions

    engine, learner, config = running
    finish(learner, first_batch(golden, "bat_one"))
    finish(learner, first_batch(golden, "bat_two", 1, 2))
    versions.copy(config.adapters, 3, 1, config.model, engine.model_config)
    engine.load(3)
    learner.call(lambda: learner.make_head(3, 1)).result(60)
    assert learner.head.version == 3
    old = adapter.read(config.adapters, 1, engine.model_config)
    assert all(torch.equal(old[name], value) for name, value in learner.policy.snapshot().items())
    assert finish(learner, first_batch(golden, "bat_three", 3, 4))["state"] == "done"


def test_scoring_another_version_leaves_the_head_in_place(running: Running, golden: dict[str, Any]) -> None:
    from gyre_trainer.learn.score import score

    _, learner, _ = running
    finish(learner, first_batch(golden))
    sequence = [([5, 6, 7], [8, 9], 1.0)]
    head, base, again = (
        learner.call(lambda v=v: learner.with_version(v, lambda: score(learner.policy, sequence))).result(60)
        for v in (1, 0, 1)
    )
    assert head == again and head != base


def test_a_restarted_vllm_gets_its_adapters_back_and_a_damaged_one_is_named(
    running: Running, golden: dict[str, Any]
) -> None:
    engine, learner, config = running
    finish(learner, first_batch(golden))
    first = engine.supervisor.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: engine.ready and engine.supervisor.pid != first)
    assert engine.client().loaded() >= {"gyre-v000001"}
    weights = config.adapters / "gyre-v000001" / adapter.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(ClientError, match="truncated"):
        engine.load(1)
    second = engine.supervisor.pid
    assert second is not None
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: engine.ready and engine.supervisor.pid != second)
    assert engine.loaded() == [] and "truncated" in engine.health()["detail"]


def test_a_batch_that_is_cut_off_twice_is_given_up_and_can_be_sent_again(
    tmp_path: Path, tiny_model: Path, golden: dict[str, Any]
) -> None:
    from gyre_trainer.contract import batch
    from gyre_trainer.service.records import Record, Records

    body = first_batch(golden)
    Records(tmp_path / "trainer" / "batches").add(
        Record("bat_one", batch.digest(body), 0, 1, "training", attempts=2), body
    )
    engine, learner = service(tmp_path, tiny_model)
    engine.supervisor.start()
    learner.start()
    try:
        wait_for(lambda: learner.phase == "ready")
        record = learner.records.get("bat_one")
        assert (
            record is not None
            and record.state == "failed"
            and record.error is not None
            and record.error["code"] == "interrupted"
        )
        assert finish(learner, body)["state"] == "done"
    finally:
        engine.supervisor.stop()


def test_a_batch_that_would_move_the_policy_too_far_is_refused_for_good_and_the_head_stays(
    tmp_path: Path, tiny_model: Path, golden: dict[str, Any]
) -> None:
    far = first_batch(golden, "bat_far", 1, 2)
    far["hyper"] |= {"learning_rate": 5.0, "kl_bound": 0.05}
    with started(tmp_path, tiny_model) as (_, learner, _config):
        assert finish(learner, first_batch(golden))["state"] == "done"
        before = learner.policy.snapshot()
        refused = finish(learner, far)
        assert refused["state"] == "failed" and refused["error"]["code"] == "kl_bound", refused
        assert "set a lower learning.rate" in refused["error"]["message"]
        assert learner.head.version == 1
        assert all(torch.equal(before[name], now) for name, now in learner.policy.snapshot().items())
    with started(tmp_path, tiny_model) as (_, learner, _config):
        again, new = learner.submit("bat_far", far)
        assert not new and again.answer() == refused and again.attempts == 1
        assert finish(learner, first_batch(golden, "bat_next", 1, 2))["state"] == "done"
