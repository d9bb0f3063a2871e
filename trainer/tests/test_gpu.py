"""What only a machine with an NVIDIA GPU can show: an update there is the update of the CPU, and the service trains
there.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_update import on_policy

from conftest import first_batch, started, wait_for
from gyre_trainer.check import self_check
from gyre_trainer.contract.batch import Batch, Hyper
from gyre_trainer.learn import update
from gyre_trainer.machine import memory

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU on this machine")


def updated(device: str, batch: Batch) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    own = self_check.tiny_policy(device=device)
    metrics = update.update(own, update.optimizer_for(own, None), batch)
    return metrics, {name: value.cpu() for name, value in own.snapshot().items()}


def test_packed_and_separate_rows_agree_on_the_gpu() -> None:
    assert self_check.tree_parity("cuda") == "ok"


def test_an_update_on_the_gpu_gives_the_weights_the_cpu_gives() -> None:
    batch = on_policy(self_check.tiny_policy(), Hyper(learning_rate=0.01, epochs=2, kl_bound=math.inf))
    on_cpu, cpu = updated("cpu", batch)
    on_gpu, gpu = updated("cuda", batch)
    for key in ("loss", "ratio_mean", "grad_norm", "mean_logprob"):
        assert on_gpu[key] == pytest.approx(on_cpu[key], rel=1e-4, abs=1e-5), key
    assert on_gpu["mean_abs_logprob_gap"] < 1e-4
    for name, value in cpu.items():
        assert torch.allclose(gpu[name], value, atol=2e-3), (
            name
        )  # Adam's first steps are of size 0.01 whatever the gradient


def test_recomputed_activations_give_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = on_policy(self_check.tiny_policy(), Hyper(learning_rate=0.01, kl_bound=math.inf))
    kept, weights = updated("cuda", batch)
    assert kept["checkpointed"] is False
    monkeypatch.setattr(memory, "activation_bytes", lambda *_: 1 << 60)
    again, recomputed = updated("cuda", batch)
    assert again["checkpointed"] is True
    for name, value in weights.items():
        assert torch.allclose(recomputed[name], value, atol=1e-6), name


def test_the_service_trains_on_the_gpu_and_goes_on_after_a_restart(
    tmp_path: Path, tiny_model: Path, golden: dict[str, Any]
) -> None:
    def train(body: dict[str, Any]) -> dict[str, Any]:
        with started(tmp_path, tiny_model) as (_, learner, _config):
            assert learner.device == "cuda" and learner.self_check["tree_parity"] == "ok"
            record, _ = learner.submit(body["batch_id"], body)
            wait_for(lambda: record.state in ("done", "failed"))
            assert record.state == "done", record.error
            return learner.head.metrics

    first = train(first_batch(golden))
    second = train(first_batch(golden, "bat_two", 1, 2))
    assert first["computed_per_distinct"] == 1.0
    assert second["loss"] != first["loss"]
