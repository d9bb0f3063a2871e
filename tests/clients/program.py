"""How an installed program is run: in a folder and a home of its own, with nothing of ours in its environment."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ready import Ready, Started

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
"""Where `npm run clients` and `npm test` install programs: one folder for the coding agents, one for each other."""
NPM = HERE / "programs" / "node_modules"
EACH = ROOT / ".gyre" / "clients"

SPECIAL = ("scores",)
"""Scenes that only who names them plays."""

PATIENCE_S = 120
"""Only a hang reaches it."""


READY: dict[str, Ready] = {}
"""Libraries that are imported, by their runners."""
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Place:
    """Where one conversation is held."""

    api: str
    url: str
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def write(self, path: str, text: str) -> None:
        """A file of its home."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@dataclass(frozen=True)
class Turn:
    """What a program is asked to do once."""

    words: str
    model: str = "gyre"
    resumed: bool = False
    streamed: bool = False


@dataclass(frozen=True)
class Ran:
    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return f"{self.stdout}\n{self.stderr}"


class Program:
    """One program; what a subclass says is all that differs between them."""

    name: str
    """As docs/clients.md calls it."""
    package: str
    """Whose version docs/clients.md shows."""
    apis: tuple[str, ...]
    scenes: tuple[str, ...] = ()
    """Those it can play; all where none is named."""
    lacks: ClassVar[dict[str, str]] = {}
    """Those it cannot (`scene`, or `scene, api`), and the word for that in docs/clients.md."""
    more: tuple[str, ...] = ()
    """Those of `SPECIAL` that it plays, as above."""
    own = "weather"
    """The tool of its own that the policy calls, as its engine is told of it."""
    unknown = "The model nope does not exist."
    """What it says of a model that is not there, without quotation marks."""
    named = False
    """Whether its request can name a server tool."""
    resumes = True
    """Whether it goes on with a conversation in a later turn; else the policy is given it back within one."""
    looks = True
    """Whether it has a tool that looks at a picture; else the picture is part of an older turn."""

    def prepare(self, place: Place) -> None:
        """Its configuration."""

    def environment(self, place: Place) -> dict[str, str]:
        return {}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        raise NotImplementedError

    def streams(self, stdout: str) -> bool:
        """Whether what it printed for a streamed turn shows that it came in pieces; true where it cannot show it."""
        return True

    def plays(self, scene: str, api: str) -> bool:
        named = {scene, f"{scene}, {api}"}
        if scene in SPECIAL:
            return not named.isdisjoint(self.more)
        return named.isdisjoint(self.lacks) and (not self.scenes or scene in self.scenes)

    @property
    def absent(self) -> str | None:
        """Why it cannot run on this machine at all, where that is nobody's fault."""
        return None

    @property
    def is_installed(self) -> bool:
        return True

    def run(self, place: Place, turn: Turn) -> Ran:
        started = self.start(place, turn)
        try:
            stdout, stderr = started.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            stdout, stderr = started.communicate()
            raise AssertionError(f"{self.name} hangs:\n{stdout}\n{stderr}") from None
        return Ran(started.returncode, stdout, stderr)

    def start(self, place: Place, turn: Turn) -> Started:
        for folder in (place.home, place.work):
            folder.mkdir(parents=True, exist_ok=True)
        self.prepare(place)
        return self.begin(place, turn, {**surroundings(), "HOME": str(place.home), **self.environment(place)})

    def begin(self, place: Place, turn: Turn, environment: dict[str, str]) -> Started:
        return subprocess.Popen(
            [str(word) for word in self.command(place, turn)],
            cwd=place.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A group of its own, so that whatever it starts can be ended with it.
            start_new_session=True,
        )


def surroundings() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "LANG": "C.UTF-8"}


class PythonProgram(Program):
    """Installed by pip, in an environment of its own."""

    @property
    def bin(self) -> Path:
        return EACH / self.package / "bin"

    @property
    def is_installed(self) -> bool:
        return (self.bin / "python").exists()


def driven(program: str | Path, runner: str, place: Place, turn: Turn) -> Sequence[str | Path]:
    """A library by its file in `runners`, which holds the whole conversation: turns are its arguments."""
    how = "streamed" if turn.streamed else "whole"
    kept = place.folder / "conversation.json"
    return [program, HERE / "runners" / runner, place.api, place.url, turn.model, how, kept, turn.words]


class Library(PythonProgram):
    """A library of Python, driven by `runners/NAME_runner.py`."""

    runner: str
    lazy: tuple[str, ...] = ()
    """What it imports when it is first used, and not with itself."""
    looks = False

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        return driven(self.bin / "python", f"{self.runner}_runner.py", place, turn)

    def begin(self, place: Place, turn: Turn, environment: dict[str, str]) -> Started:
        program, runner, *arguments = self.command(place, turn)
        if self.runner not in READY:
            command = [program, HERE / "runners" / "ready.py", runner, *self.lazy]
            READY[self.runner] = Ready(command, {**environment, **OFFLINE})
        return READY[self.runner].start(arguments, place.work, environment)

    def streams(self, stdout: str) -> bool:
        told = re.search(r"^\[(\d+) pieces\]$", stdout, re.MULTILINE)
        return told is not None and int(told[1]) > 1


def npm_binary(folder: str, binary: str) -> Path:
    return NPM / folder / binary


def machine() -> str:
    """As npm calls this machine."""
    cpu = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    return f"{sys.platform}-{cpu}"
