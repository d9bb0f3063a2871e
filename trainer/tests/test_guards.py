"""Guards of the house: slim command line, small files, lock without places."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gyre_trainer
from gyre_trainer.learn import lora
from gyre_trainer.weights import adapter

ROOT = Path(gyre_trainer.__file__).parent
TRAINER = ROOT.parent


def test_help_needs_neither_torch_nor_fastapi() -> None:
    program = (
        "import sys, runpy\nsys.argv = ['gyre_trainer', 'serve', '--help']\n"
        "try: runpy.run_module('gyre_trainer', run_name='__main__')\nexcept SystemExit: pass\n"
        "bad = {'torch', 'fastapi', 'transformers', 'gguf', 'numpy', 'httpx'} & set(sys.modules)\nassert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "--parent-pid" in done.stdout, done.stderr


def test_validating_a_batch_and_copying_a_version_need_no_torch() -> None:
    slim = ("gyre_trainer.contract.batch", "gyre_trainer.weights.versions", "gyre_trainer.serve.app")
    program = f"import sys, {', '.join(slim)}\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.name)
def test_no_file_is_longer_than_the_ceiling(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_both_lists_of_adapted_modules_agree() -> None:
    assert adapter.MODULES == lora.MODULES


def test_the_lock_pins_everything_and_names_no_place() -> None:
    for name in ("requirements.lock", "requirements-gpu.lock"):
        lines = [line for line in (TRAINER / name).read_text().splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+]+", line) for line in lines), name
