"""Guards of the house: slim command line, rooms that import only downwards, small files, lock without places."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gyre_trainer

ROOT = Path(gyre_trainer.__file__).parent
TRAINER = ROOT.parent
TESTS = TRAINER / "tests"
FILES = sorted(ROOT.rglob("*.py"))
LINES = 400
FILES_IN_A_FOLDER = 20

# Which room may import which, lowest first: everything a room may import stands above it in this table. config.py and
# __main__.py stand on top of the package and count as rooms.
BELOW: dict[str, set[str]] = {
    "machine": set(),
    "contract": set(),
    "config": set(),
    "weights": {"machine", "contract"},
    "learn": {"machine", "contract", "weights"},
    "engine": {"machine", "contract", "config", "weights"},
    "check": {"machine", "contract", "weights", "learn", "engine"},
    "service": {"machine", "contract", "config", "weights", "learn", "engine", "check"},
    "__main__": {"config", "weights", "service"},
}


def name_of(path: Path) -> str:
    """`gyre_trainer.learn.loss` of its file; a folder's `__init__.py` is the folder."""
    parts = path.relative_to(TRAINER).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES if path != ROOT / "__init__.py"}


def room_of(name: str) -> str:
    return name.split(".")[1]


def imports_of(path: Path) -> set[str]:
    """The package's own modules a file imports, wherever the import stands: on top, in a function, for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: say the whole path"
            module = node.module or ""
            # `from gyre_trainer.learn import loss` imports a module, `from gyre_trainer.learn.loss import Loss` a name.
            found |= {whole if (whole := f"{module}.{alias.name}") in MODULES else module for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("gyre_trainer.")}


def test_help_needs_neither_torch_nor_fastapi() -> None:
    program = (
        "import sys, runpy\nsys.argv = ['gyre_trainer', 'serve', '--help']\n"
        "try: runpy.run_module('gyre_trainer', run_name='__main__')\nexcept SystemExit: pass\n"
        "bad = {'torch', 'fastapi', 'transformers', 'gguf', 'numpy', 'httpx'} & set(sys.modules)\nassert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "--parent-pid" in done.stdout, done.stderr


def test_validating_a_batch_and_copying_a_version_need_no_torch() -> None:
    slim = ("gyre_trainer.contract.batch", "gyre_trainer.weights.versions", "gyre_trainer.service.app")
    program = f"import sys, {', '.join(slim)}\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_the_ceiling(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LINES


def test_no_folder_is_fuller_than_the_ceiling() -> None:
    counts = Counter(path.parent for top in (ROOT, TESTS) for path in top.rglob("*.py"))
    assert {str(folder): count for folder, count in counts.items() if count > FILES_IN_A_FOLDER} == {}


@pytest.mark.parametrize("room", sorted({path.parent for path in FILES}), ids=lambda path: path.name)
def test_every_room_says_what_it_is(room: Path) -> None:
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text()))


def test_a_room_imports_only_rooms_below_it() -> None:
    """Both ways: what is imported is allowed, and what is allowed is imported, so the table cannot rot."""
    used: dict[str, set[str]] = {room_of(name): set() for name in MODULES}
    for name, path in MODULES.items():
        used[room_of(name)] |= {room_of(target) for target in imports_of(path)} - {room_of(name)}
    assert used == BELOW
    order = list(BELOW)
    assert all(order.index(below) < order.index(room) for room, allowed in BELOW.items() for below in allowed)


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports for types count: two files that need each other's words are one thing in two halves."""
    graph = {name: imports_of(path) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_vllm_finds_its_plugin_where_pyproject_says() -> None:
    """vLLM starts without a plugin it cannot load, and what the plugin mends (see it) would be broken again."""
    project = tomllib.loads((TRAINER / "pyproject.toml").read_text())["project"]
    module, name = project["entry-points"]["vllm.general_plugins"]["gyre_grouped_lora"].split(":")
    assert module in MODULES and callable(getattr(importlib.import_module(module), name))


def test_the_locks_pin_everything_by_hash_and_name_no_place() -> None:
    locks = sorted(TRAINER.glob("requirements*.lock"))
    assert len(locks) == 4
    pinned = re.compile(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+]+( --hash=sha256:[0-9a-f]{64})+")
    for lock in locks:
        text = re.sub(r"\s*\\\n\s*", " ", lock.read_text())
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        assert lines and not [line for line in lines if not pinned.fullmatch(line)], lock.name
