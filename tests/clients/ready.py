"""The other side of `runners/ready.py`: one process for each library, and a turn of it as if it were a program."""

import atexit
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Started(Protocol):
    """What is used of `subprocess.Popen`."""

    pid: int
    returncode: Any

    def poll(self) -> int | None: ...

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]: ...


class Forked:
    """A turn: a process that is not our child."""

    def __init__(self, pid: int, into: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._into = into

    def poll(self) -> int | None:
        if self.returncode is None:
            over = not self._is_alive()
            code = self._into / "code"
            if code.exists():
                self.returncode = int(code.read_text())
            elif over:
                self.returncode = -9
        return self.returncode

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a turn", timeout or 0)
            time.sleep(0.01)
        return self._read("stdout"), self._read("stderr")

    def _is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _read(self, stream: str) -> str:
        file = self._into / stream
        return file.read_text() if file.exists() else ""


class Ready:
    """A library that is imported; it ends when its standard input does, at the latest with us."""

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str]) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="gyre-clients-")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "HOME": self._home.name},
        )
        atexit.register(self._end)

    def start(self, arguments: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> Forked:
        into = Path(tempfile.mkdtemp(dir=self._home.name))
        turn = {
            "arguments": [str(word) for word in arguments],
            "folder": str(folder),
            "environment": environment,
            "into": str(into),
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(turn)}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, "the library could not be imported: its fault is above"
        return Forked(int(said), into)

    def _end(self) -> None:
        self._process.communicate()
        self._home.cleanup()
