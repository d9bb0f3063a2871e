"""A runner's library imported once, in a process that is forked for each turn: some take seconds to import.

Reads lines of JSON (`arguments`, `folder`, `environment`, `into`) and answers each with the id of a process group.
What a turn prints is in the folder `into`, its exit code there in `code` once it is over.
"""

import ast
import contextlib
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path


def import_what_it_imports(runner: Path) -> None:
    for statement in ast.parse(runner.read_text()).body:
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module is not None:
            names = [statement.module]
        else:
            continue
        for name in names:
            importlib.import_module(name)


def play(runner: Path, turn: dict[str, object], into: Path) -> None:
    """The turn, in a process of its own that knows nothing of the others."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(turn["environment"])
    os.chdir(turn["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(into / name, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = [str(runner), *turn["arguments"]]
    runpy.run_path(str(runner), run_name="__main__")


def keep(runner: Path, turn: dict[str, object]) -> None:
    """Waits for the turn, since whoever asked for it is not its parent and could not."""
    into = Path(turn["into"])
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    played = os.fork()
    if played == 0:
        # An exception ends the interpreter as it ends that of a program: with its traceback and code.
        play(runner, turn, into)
        sys.exit()
    _, status = os.waitpid(played, 0)
    (into / "code.new").write_text(str(os.waitstatus_to_exitcode(status)))
    (into / "code.new").rename(into / "code")
    os._exit(0)


runner, *more = sys.argv[1:]
import_what_it_imports(Path(runner))
for name in more:
    importlib.import_module(name)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    keeper = os.fork()
    if keeper == 0:
        keep(Path(runner), json.loads(line))
    # By both, since either may come first.
    with contextlib.suppress(OSError):
        os.setpgid(keeper, keeper)
    print(keeper, flush=True)
