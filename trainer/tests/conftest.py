"""Shared pieces: a tiny real model folder, a real batch body, and a service whose vLLM is a small fake that speaks
HTTP.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gyre_trainer.config import Config
from gyre_trainer.engine.engine import Engine
from gyre_trainer.engine.supervisor import Timing
from gyre_trainer.service.learner import Learner
from gyre_trainer.weights import convert

FAKE_VLLM = Path(__file__).parent / "fake_vllm.py"
GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "batch" / "small.json"
FAST = Timing(first_backoff_s=0.05, longest_backoff_s=0.4, poll_s=0.02, grace_s=2.0)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the packaged model's words; `GYRE_TEST_TINY_MODEL` names one made before, for a machine without that
    package.
    """
    made = os.environ.get("GYRE_TEST_TINY_MODEL")
    if made is not None:
        return Path(made)
    return convert.convert_tiny(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def golden() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(GOLDEN.read_text())
    return body


def config_for(data: Path, model: Path) -> Config:
    return Config(
        host="127.0.0.1",
        port=0,
        data=data,
        model=model,
        template=None,
        dtype="float32",
        train_dtype="float32",
        engine_args={},
        max_model_len=512,
        parent_pid=None,
    )


def fake_command(port: int) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, str(FAKE_VLLM), str(port)], {}


def service(data: Path, model: Path, crash: Callable[[str], None] = lambda _: None) -> tuple[Engine, Learner]:
    config = config_for(data, model)
    engine = Engine(config, "float32", command=fake_command, timing=FAST)
    return engine, Learner(config, engine, "float32", crash)


def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def started(data: Path, model: Path) -> Iterator[tuple[Engine, Learner, Config]]:
    engine, learner = service(data, model)
    engine.supervisor.start()
    learner.start()
    try:
        wait_for(lambda: learner.phase in ("ready", "failed"))
        assert learner.phase == "ready", learner.detail
        yield engine, learner, config_for(data, model)
    finally:
        engine.supervisor.stop()


@pytest.fixture
def running(tmp_path: Path, tiny_model: Path) -> Iterator[tuple[Engine, Learner, Config]]:
    with started(tmp_path, tiny_model) as parts:
        yield parts


def first_batch(golden: dict[str, Any], batch_id: str = "bat_one", base: int = 0, target: int = 1) -> dict[str, Any]:
    """The golden batch as the first (or a later) one of a fresh trainer."""
    body: dict[str, Any] = json.loads(json.dumps(golden))
    body |= {"batch_id": batch_id, "base_version": base, "target_version": target}
    body["model"]["template_hash"] = ""
    body["hyper"] |= {"rank": 4, "alpha": 8, "learning_rate": 0.01, "sequence_veto": 0, "kl_bound": 1000}
    return body
