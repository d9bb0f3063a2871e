"""Whole programs, as their users run them: each scene is what the program printed and what the engine and log saw."""

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pictures import PICTURE
from program import Place, Program, Ran, Turn
from programs import chosen
from ready import Started
from seen import PLAIN, SUM, Seen


@dataclass
class Talk:
    program: Program
    place: Place
    turns: int = 0

    def say(self, words: str, **more: object) -> Ran:
        turn = Turn(words, resumed=self.turns > 0, **more)  # type: ignore[arg-type]
        self.turns += 1
        return self.program.run(self.place, turn)

    def ask(self, words: str, **more: object) -> str:
        ran = self.say(words, **more)
        assert ran.code == 0, ran.said
        return ran.stdout


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each scene over the programs that can play it."""
    scene = metafunc.function.__name__.removeprefix("test_")
    playing = [(program, api) for program, api in chosen() if program.plays(scene, api)]
    metafunc.parametrize("program", playing, ids=[f"{program.name}, {api}" for program, api in playing])


@pytest.fixture
def talk(program: tuple[Program, str], seen: Seen, tmp_path: Path) -> Talk:
    played, api = program
    if played.absent is not None:
        pytest.skip(played.absent)
    assert played.is_installed, f"{played.name} is not installed: npm run clients installs it"
    return Talk(played, Place(api, seen.url, tmp_path))


def calls(seen: Seen) -> list[tuple[str, str]]:
    """All but that by which an agent only says that it is done."""
    every = [call for answer in seen.log for step in answer["steps"] for call in step["calls"]]
    return [(call["name"], call["owner"]) for call in every if call["id"] != "call_final"]


def test_plain(talk: Talk) -> None:
    assert PLAIN in talk.ask("hi")


def test_streamed(talk: Talk) -> None:
    said = talk.ask("STREAMED", streamed=True)
    assert PLAIN in said
    assert talk.program.streams(said)


def test_server_tool(talk: Talk, seen: Seen) -> None:
    assert SUM in talk.ask("SERVER_TOOL")
    assert {"calculator", "shout"} - set(seen.offered()) == ({"shout"} if talk.program.named else set())
    assert calls(seen) == [("calculator", "server")]


def test_own_tool(talk: Talk, seen: Seen) -> None:
    assert "sunny in Rome" in talk.ask("OWN_TOOL")
    assert calls(seen) == [(talk.program.own, "client")]


def test_mixed(talk: Talk, seen: Seen) -> None:
    """And the conversation goes on: the policy is given back the result that the program never saw."""
    said = talk.ask("MIXED")
    assert "The tools say 42 and " in said and "sunny in Rome" in said
    assert calls(seen) == [("calculator", "server"), (talk.program.own, "client")]
    seen.goes_on()
    if not talk.program.resumes:
        return
    assert PLAIN in talk.ask("And now?")
    turn = [role for role in seen.roles if role not in ("system", "developer")]
    assert turn[-6:] == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert calls(seen) == [("calculator", "server"), (talk.program.own, "client")]
    seen.goes_on()


def test_image_in_history(talk: Talk, seen: Seen) -> None:
    """The policy reads no pictures, and a conversation that has seen one goes on."""
    path = talk.place.folder / "picture.png"
    path.write_bytes(PICTURE)
    talk.ask(f"PICTURE {path}")
    assert PLAIN in talk.ask("And now?")
    seen.is_told_of_a_picture()
    assert all(answer["outcome"] == "completed" for answer in seen.log)


def test_scores(talk: Talk) -> None:
    """What a harness makes of the log-probabilities of an echoed prompt: the longer choice is the less likely."""
    told = re.search(r"^scores: \[(\S+), (\S+)\]$", talk.ask("How many?"), re.MULTILINE)
    assert told is not None
    assert float(told[2]) < float(told[1]) < 0


def test_error(talk: Talk) -> None:
    failed = talk.say("hi", model="nope")
    assert failed.code != 0 or "rror" in failed.said
    assert talk.program.unknown in failed.said.replace("\\", "").replace('"', "")


def test_engine_that_breaks(talk: Talk) -> None:
    broken = talk.say("BROKEN")
    assert "broke the connection" in broken.said, broken


def test_cancel(talk: Talk, seen: Seen) -> None:
    started = talk.program.start(talk.place, Turn("SLOW", streamed=True))
    try:
        until(lambda: len(seen.engine) > 0 and seen.is_sampling(), started)
        os.killpg(started.pid, signal.SIGINT)
        seen.is_cancelled()
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def until(holds: Callable[[], bool], program: Started) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert program.poll() is None, f"it ended: {program.communicate()}"
        assert time.monotonic() < deadline, "it never asked the engine"
        time.sleep(0.05)
