"""Supervision of a child process: restart with back-off, clean end, and orphans known by pid and start time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from conftest import FAST, fake_command, wait_for
from gyre_trainer.engine import process_record
from gyre_trainer.engine.process_record import Process
from gyre_trainer.engine.supervisor import Supervisor, Timing, next_pause, parent_watch


def answers(url: str) -> bool:
    try:
        return httpx.get(url + "/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def supervise(tmp_path: Path):  # type: ignore[no-untyped-def]
    made: list[Supervisor] = []

    def make(command=fake_command, ready: Callable[[str], None] = lambda _: None, timing: Timing = FAST) -> Supervisor:  # type: ignore[no-untyped-def]
        made.append(Supervisor(command, answers, ready, tmp_path / "vllm.log", tmp_path / "run", timing))
        made[-1].start()
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_killed_child_comes_back_and_is_warmed_up_again(supervise) -> None:  # type: ignore[no-untyped-def]
    warmed: list[str] = []
    supervisor = supervise(ready=warmed.append)
    wait_for(lambda: supervisor.state == "ready")
    first = supervisor.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: supervisor.state == "ready" and supervisor.pid != first)
    assert supervisor.restarts == 1 and len(warmed) == 2 and answers(supervisor.url)


def test_pauses_double_up_to_a_limit_and_start_again_after_a_long_life() -> None:
    timing = Timing(first_backoff_s=1.0, longest_backoff_s=5.0, steady_s=60.0)
    pauses = [0.0]
    for _ in range(5):
        pauses.append(next_pause(pauses[-1], 0.0, timing))
    assert pauses[1:] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert next_pause(5.0, 61.0, timing) == 1.0 and next_pause(2.0, 59.0, timing) == 4.0


def test_a_child_that_never_starts_is_retried_and_reported(supervise) -> None:  # type: ignore[no-untyped-def]
    starts: list[float] = []

    def broken(_: int) -> tuple[list[str], dict[str, str]]:
        starts.append(time.monotonic())
        return [sys.executable, "-c", "raise SystemExit(3)"], {}

    supervisor = supervise(broken, timing=Timing(0.1, 0.4, poll_s=0.01, grace_s=1.0, failed_after=3))
    wait_for(lambda: supervisor.state == "failed")
    assert "code 3" in supervisor.detail and "vllm.log" in supervisor.detail
    wait_for(lambda: len(starts) >= 4)


def test_a_failing_warm_up_is_a_failed_start_not_a_dead_supervisor(supervise) -> None:  # type: ignore[no-untyped-def]
    tries: list[str] = []

    def ready(url: str) -> None:
        tries.append(url)
        if len(tries) == 1:
            raise RuntimeError("template broken")

    supervisor = supervise(ready=ready)
    wait_for(lambda: supervisor.state == "ready")
    assert len(tries) == 2 and supervisor.restarts == 1


def test_stop_ends_the_child_and_forgets_it(supervise, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    supervisor = supervise()
    wait_for(lambda: supervisor.state == "ready")
    child = process_record.identify(supervisor.pid)
    assert child in process_record.recorded(tmp_path / "run" / "children.json")
    supervisor.stop()
    assert child is not None and not process_record.alive(child)
    assert supervisor.state == "stopped" and process_record.recorded(tmp_path / "run" / "children.json") == []


def test_an_orphan_of_an_earlier_run_is_ended_and_a_reused_pid_is_not(supervise, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    orphan, stranger = (subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(2))
    wait_for(
        lambda: process_record.identify(orphan.pid) is not None and process_record.identify(stranger.pid) is not None
    )
    known = process_record.identify(orphan.pid)
    other = process_record.identify(stranger.pid)
    assert known is not None and other is not None
    process_record.record(tmp_path / "run" / "children.json", [known, Process(other.pid, other.start - 1)])
    supervisor = supervise()
    wait_for(lambda: supervisor.state == "ready")
    assert orphan.poll() is not None and stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_the_end_of_the_parent_is_noticed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    gone: list[bool] = []
    parent_watch(parent.pid, lambda: gone.append(True), poll_s=0.02)
    time.sleep(0.2)
    assert not gone
    parent.kill()
    parent.wait()
    wait_for(lambda: bool(gone), 5)
