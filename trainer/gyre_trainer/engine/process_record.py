"""Processes told apart by pid *and* start time, so that a reused pid is never mistaken for a child of ours."""

import ctypes
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gyre_trainer.machine import durable

PR_SET_PDEATHSIG = 1
# Looked up once at import: between fork and exec a child may only call what is already loaded.
_prctl = ctypes.CDLL(None).prctl


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with its pid by when it started."""

    pid: int
    start: int  # clock ticks after boot, field 22 of /proc/PID/stat


def stat(pid: int) -> list[str] | None:
    """Fields 3.. of /proc/PID/stat (state first), or None if there is no such process."""
    try:
        # The command name may hold spaces and brackets, so read after the last one.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def identify(pid: int) -> Process | None:
    """The process that has this pid now, or None."""
    fields = stat(pid)
    return None if fields is None else Process(pid, int(fields[19]))


def alive(process: Process) -> bool:
    """Still the same process, and not merely a zombie waiting for its parent."""
    fields = stat(process.pid)
    return fields is not None and int(fields[19]) == process.start and fields[0] not in "ZX"


def descendants(pid: int) -> list[Process]:
    """Children, grandchildren and so on of `pid`, without itself."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            queue.append(child)
            process = identify(child)
            if process is not None:
                found.append(process)
    return found


def record(path: Path, processes: list[Process]) -> None:
    """Write the processes down, whole or not at all."""
    durable.write_json(path, [asdict(process) for process in processes])


def recorded(path: Path) -> list[Process]:
    """What `record` wrote last; empty if it never did."""
    if not path.is_file():
        return []
    entries: list[dict[str, Any]] = durable.read_json(path)
    return [Process(**entry) for entry in entries]


def end(processes: list[Process], grace_s: float) -> list[Process]:
    """Terminate exactly these processes, kill those left after `grace_s`; returns the ones that had been alive."""
    living = [process for process in processes if alive(process)]
    for number, limit in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 2.0)):
        for process in living:
            if alive(process):
                try:
                    os.kill(process.pid, number)
                except ProcessLookupError:
                    continue  # it ended between the look and the signal, which is what we wanted
        deadline = time.monotonic() + limit
        while any(alive(process) for process in living) and time.monotonic() < deadline:
            time.sleep(0.05)
    return living


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Ask the kernel to signal this process when its parent thread ends (Linux only)."""
    _prctl(PR_SET_PDEATHSIG, number)
