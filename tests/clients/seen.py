"""What the engine and the log of the gateway under test saw of a client, which the client itself cannot know."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

PLAIN = "Hello from the policy."
SUM = "The tools say 42."
SUNNY = "The tools say sunny in Rome."
BOTH = "The tools say 42 and sunny in Rome."
UNKNOWN = 'The model "nope" does not exist.'
TOO_HOT = 'Invalid value for "temperature"'
BUSY = "The engine is at its limit: every seat is taken"
BROKEN = "broke the connection"


_loop = asyncio.Runner()


def wait(work: Coroutine[Any, Any, Any]) -> Any:
    """In one loop for all tests: clients keep their connections, and these know the loop they were made in."""
    return _loop.run(work)


def weather(city: str, days: float) -> str:
    """The weather of a city in some days."""
    assert days == 2
    return f"sunny in {city}"


def weather_schema() -> dict[str, Any]:
    properties = {"city": {"type": "string"}, "days": {"type": "number"}}
    return {"type": "object", "properties": properties, "required": ["city", "days"]}


def call_weather(arguments: str) -> str:
    return weather(**json.loads(arguments))


@dataclass
class Seen:
    """Begins empty with every test."""

    url: str
    side: str
    requests_before: int = 0
    answers_before: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def start(self) -> None:
        state = self._state()
        self.requests_before = len(state["engine"])
        self.answers_before = len(state["log"])

    @property
    def engine(self) -> list[dict[str, Any]]:
        """Requests, oldest first."""
        return self._state()["engine"][self.requests_before :]

    @property
    def log(self) -> list[dict[str, Any]]:
        """Answers, oldest first."""
        return self._state()["log"][self.answers_before :]

    @property
    def roles(self) -> list[str]:
        return [message["role"] for message in self.engine[-1]["body"]["messages"]]

    def offered(self, at: int = -1) -> list[str]:
        """The tools the engine was last told of, or in another of its requests."""
        return [tool["function"]["name"] for tool in self.engine[at]["body"].get("tools", [])]

    def calls(self) -> list[tuple[str, str]]:
        """Every call of the policy and whose it was."""
        return [
            (call["name"], call["owner"]) for answer in self.log for step in answer["steps"] for call in step["calls"]
        ]

    def text(self) -> str:
        """All that the engine was last told."""
        return json.dumps(self.engine[-1]["body"]["messages"])

    def parts(self) -> set[str]:
        """The types of the parts it was last given."""
        return {
            part["type"]
            for message in self.engine[-1]["body"]["messages"]
            if isinstance(message.get("content"), list)
            for part in message["content"]
        }

    def is_told_of_a_picture(self) -> None:
        """The policy reads none: a text says what was there."""
        assert self.parts() <= {"text"}
        assert "image/png" in self.text()

    def is_sampling(self) -> bool:
        """Whether the engine's last answer is under way."""
        return not self.engine[-1]["aborted"] and self.log[-1].get("outcome") is None

    def is_one_conversation(self) -> None:
        assert all(answer["outcome"] == "completed" for answer in self.log)
        assert len({answer["trajectoryId"] for answer in self.log}) == 1

    def goes_on(self) -> None:
        """The newest answer is of the conversation that made every call; a program may ask other things beside it."""
        assert all(answer["outcome"] == "completed" for answer in self.log)
        calling = {answer["trajectoryId"] for answer in self.log if any(step["calls"] for step in answer["steps"])}
        assert calling == {self.log[-1]["trajectoryId"]}

    def is_mixed(self) -> None:
        """Both tools ran in one turn, and the policy was given back the result its client never saw."""
        assert self.calls() == [("calculator", "server"), ("weather", "client")]
        self.is_one_conversation()

    def is_cancelled(self) -> None:
        # Who is never told of it samples to the end, in twenty seconds; the rest is for a busy machine.
        deadline = time.monotonic() + 60
        while not (self.engine[-1]["aborted"] and self.log[-1].get("outcome") == "cancelled"):
            assert self.log[-1].get("outcome") in (None, "cancelled"), f"it was not cancelled: {self.log[-1]}"
            assert time.monotonic() < deadline, f"never cancelled: {self.engine[-1]['aborted']}, {self.log[-1]}"
            time.sleep(0.01)
        assert [step["outcome"] for step in self.log[-1]["steps"]] == ["cancelled"]

    def _state(self) -> dict[str, list[dict[str, Any]]]:
        with urllib.request.urlopen(self.side) as response:
            state: dict[str, list[dict[str, Any]]] = json.load(response)
            return state
