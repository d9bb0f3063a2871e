"""How what npm installs is run."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from program import EACH, HERE, NPM, Place, Program, Turn, driven

OTHERS = HERE / "programs" / "others"


class NodeProgram(Program):
    """Installed by npm, with those of `npm test` or in a folder of its own."""

    @property
    def installed_at(self) -> Path:
        return EACH / self.package if (OTHERS / self.package).exists() else NPM.parent

    @property
    def is_installed(self) -> bool:
        return (self.installed_at / "node_modules" / ".gyre-stamp").exists()

    @property
    def node(self) -> str | Path:
        """The Node that is installed with it, where it needs a newer one than we do."""
        return next((self.installed_at / "node_modules").glob("node-*/bin/node"), "node")

    def entry(self, package: str, file: str) -> Path:
        return self.installed_at / "node_modules" / package / file


class NodeLibrary(NodeProgram):
    """Driven by `runners/NAME_runner.mjs`."""

    runner: str
    looks = False
    streamed = False
    """Whether it streams every turn."""

    def environment(self, place: Place) -> dict[str, str]:
        return {"GYRE_PROGRAM": str(self.installed_at)}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        asked = replace(turn, streamed=self.streamed or turn.streamed)
        return driven(self.node, f"{self.runner}_runner.mjs", place, asked)

    def streams(self, stdout: str) -> bool:
        told = re.search(r"^\[(\d+) pieces\]$", stdout, re.MULTILINE)
        return told is not None and int(told[1]) > 1
