"""Keeps one vLLM running: start, watch, restart with exponential back-off, stop. It does not know what an adapter is.

All work happens in one thread that lives as long as the process: the kernel's parent-death signal is tied to the
thread that started the child, so a short-lived starter thread would take vLLM down with it.
"""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gyre_trainer.engine import process_record
from gyre_trainer.engine.process_record import Process

Command = Callable[[int], tuple[list[str], dict[str, str]]]  # port -> (argv, environment)
State = Literal["starting", "warming", "ready", "restarting", "failed", "stopped"]


@dataclass(frozen=True)
class Timing:
    """Seconds and counts of the supervision; tests make them short."""

    first_backoff_s: float = 1.0
    longest_backoff_s: float = 60.0
    steady_s: float = 60.0  # alive this long = the next failure starts again with the first back-off
    start_limit_s: float = 300.0  # no /health within it = the start failed
    poll_s: float = 0.2
    grace_s: float = 5.0  # between SIGTERM and SIGKILL
    failed_after: int = 6  # starts in a row that never became ready, then it is reported as failed (and still retried)


class Supervisor:
    """`command(port)` gives (argv, environment); `healthy(url)` says whether it answers; `ready(url)` warms it up."""

    def __init__(
        self,
        command: Command,
        healthy: Callable[[str], bool],
        ready: Callable[[str], None],
        log: Path,
        run: Path,
        timing: Timing | None = None,
    ) -> None:
        self._command, self._healthy, self._ready = command, healthy, ready
        self._log, self._children_file = log, run / "children.json"
        self.timing = timing or Timing()
        self.state: State = "starting"
        self.detail = ""
        self.restarts = 0
        self.url: str | None = None
        self.pid: int | None = None
        self.ready_seconds: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End vLLM and its children; returns when they are gone."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        orphans = process_record.end(process_record.recorded(self._children_file), self.timing.grace_s)
        if orphans:
            self.detail = f"ended {len(orphans)} processes left by an earlier run"
        backoff, never_ready = 0.0, 0
        while not self._stop.is_set():
            began = time.monotonic()
            was_ready, why = self._one_life()
            if self._stop.is_set():
                break
            self.restarts += 1
            never_ready = 0 if was_ready else never_ready + 1
            lived = time.monotonic() - began if was_ready else 0.0
            backoff = next_pause(backoff, lived, self.timing)
            self.state = "failed" if never_ready >= self.timing.failed_after else "restarting"
            self.detail = f"{why}; next start in {backoff:g} s; log: {self._log}"
            self._stop.wait(backoff)
        self.state, self.url, self.pid = "stopped", None, None

    def _one_life(self) -> tuple[bool, str]:
        """Start a child and follow it to its end; returns (had been ready, why it ended)."""
        port = free_port()
        argv, env = self._command(port)
        began = time.monotonic()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            child = subprocess.Popen(
                argv, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=process_record.die_with_parent,
            )  # fmt: skip
        self.pid, family = child.pid, [p for p in [process_record.identify(child.pid)] if p is not None]
        process_record.record(self._children_file, family)
        if self.state not in ("restarting", "failed"):
            self.state = "starting"
        url = f"http://127.0.0.1:{port}"
        was_ready, why = False, ""
        try:
            while not self._stop.is_set() and not why:
                code = child.poll()
                if code is not None:
                    why = f"vLLM (pid {child.pid}) ended with code {code}"
                elif not was_ready and self._healthy(url):
                    self.state = "warming"
                    self.url = url
                    family = self._remember_family(child.pid)
                    self._ready(url)
                    was_ready, self.ready_seconds = True, time.monotonic() - began
                    self.state, self.detail = "ready", ""
                elif not was_ready and time.monotonic() - began > self.timing.start_limit_s:
                    why = f"vLLM did not answer /health within {self.timing.start_limit_s:g} s"
                else:
                    self._stop.wait(self.timing.poll_s)
        except (
            Exception
        ) as error:  # the boundary of this thread: whatever warm-up raised is a failed life, not a dead thread
            why = f"warm-up failed: {error}"
        self.url = None
        self._end(child, family)
        return was_ready, why

    def _remember_family(self, pid: int) -> list[Process]:
        own = process_record.identify(pid)
        family = ([own] if own else []) + process_record.descendants(pid)
        process_record.record(self._children_file, family)
        return family

    def _end(self, child: "subprocess.Popen[bytes]", family: list[Process]) -> None:
        """vLLM's own worker processes can outlive it, so the whole recorded family is ended, each by pid and start."""
        seen = {process.pid for process in family}
        family = family + [p for p in process_record.descendants(child.pid) if p.pid not in seen]
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(self.timing.grace_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        process_record.end(family, 1.0)
        process_record.record(self._children_file, [])


def next_pause(previous: float, lived_s: float, timing: Timing) -> float:
    """Seconds before the next start: doubling up to a limit, from the beginning after a life that was long enough."""
    if previous == 0.0 or lived_s > timing.steady_s:
        return timing.first_backoff_s
    return min(previous * 2, timing.longest_backoff_s)


def free_port() -> int:
    """A port that was free a moment ago. vLLM cannot take port 0, so a small race remains; a lost race is a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parent_watch(parent: int, gone: Callable[[], None], poll_s: float = 0.5) -> None:
    """Call `gone` once process `parent` (as it is now, by pid and start time) has ended."""
    process = process_record.identify(parent)

    def watch() -> None:
        while process is not None and process_record.alive(process):
            time.sleep(poll_s)
        gone()

    if os.getppid() == parent:
        process_record.die_with_parent()
    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
