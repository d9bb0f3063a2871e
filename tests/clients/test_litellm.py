"""LiteLLM as a client, completion and responses."""

from typing import Any

import litellm
import pytest
from litellm.exceptions import BadRequestError, MidStreamFallbackError, NotFoundError, RateLimitError

from pictures import seen_picture
from seen import BOTH, BROKEN, BUSY, PLAIN, SUM, SUNNY, Seen, call_weather, weather_schema

APIS = ["chat", "responses"]
CALCULATOR = {"type": "gyre:calculator"}
WEATHER: dict[str, dict[str, Any]] = {
    "chat": {"type": "function", "function": {"name": "weather", "parameters": weather_schema()}},
    "responses": {"type": "function", "name": "weather", "parameters": weather_schema()},
}

# Without a word about the model its streams of the Responses API are whole answers, cut up.
litellm.register_model(
    {"openai/gyre": {"litellm_provider": "openai", "mode": "responses", "supports_native_streaming": True}}
)
litellm.suppress_debug_info = True


class Asked:
    def __init__(self, seen: Seen, api: str) -> None:
        self.seen = seen
        self.api = api

    def raw(self, history: list[Any], **more: Any) -> Any:
        where = {
            "model": "openai/gyre",
            "api_base": self.seen.base_url,
            "api_key": "any",
            "max_retries": 0,
            "num_retries": 0,
            **more,
        }
        return (
            litellm.completion(messages=history, **where)
            if self.api == "chat"
            else litellm.responses(input=history, **where)
        )

    def ask(self, history: list[Any], streams: bool = False, **more: Any) -> str:
        """One answer; it is added to the history as the library gave it."""
        answer = self.raw(history, stream=streams, **more)
        if self.api == "chat":
            message = (litellm.stream_chunk_builder(list(answer)) if streams else answer).choices[0].message
            history.append(message)
            return message.content or ""
        response = list(answer)[-1].response if streams else answer
        items = [item if isinstance(item, dict) else item.model_dump(exclude_none=True) for item in response.output]
        history.extend(items)
        return "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])

    def run_own(self, history: list[Any]) -> None:
        if self.api == "chat":
            [call] = history[-1].tool_calls
            history.append({"role": "tool", "tool_call_id": call.id, "content": call_weather(call.function.arguments)})
        else:
            [call] = [item for item in history if item.get("type") == "function_call"]
            history.append(
                {"type": "function_call_output", "call_id": call["call_id"], "output": call_weather(call["arguments"])}
            )


@pytest.fixture(params=APIS)
def asked(request: pytest.FixtureRequest, seen: Seen) -> Asked:
    return Asked(seen, request.param)


def said(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


STREAMS = pytest.mark.parametrize("streams", [False, True])


def test_plain(asked: Asked) -> None:
    assert asked.ask(said("hi")) == PLAIN


def test_streamed(asked: Asked) -> None:
    assert asked.ask(said("hi"), streams=True) == PLAIN


@STREAMS
def test_server_tool(asked: Asked, streams: bool) -> None:
    assert asked.ask(said("SERVER_TOOL"), streams, tools=[CALCULATOR]) == SUM
    assert asked.seen.offered() == ["calculator"]
    assert asked.seen.calls() == [("calculator", "server")]


@STREAMS
def test_own_tool(asked: Asked, streams: bool) -> None:
    history = said("OWN_TOOL")
    asked.ask(history, streams, tools=[WEATHER[asked.api]])
    asked.run_own(history)
    assert asked.ask(history, streams, tools=[WEATHER[asked.api]]) == SUNNY
    assert asked.seen.calls() == [("weather", "client")]


@STREAMS
def test_mixed(asked: Asked, streams: bool) -> None:
    history = said("MIXED")
    tools = [CALCULATOR, WEATHER[asked.api]]
    asked.ask(history, streams, tools=tools)
    asked.run_own(history)
    assert asked.ask(history, streams, tools=tools) == BOTH
    assert asked.ask([*history, *said("And now?")], streams, tools=tools) == PLAIN
    assert asked.seen.roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    asked.seen.is_mixed()


def test_image_in_history(asked: Asked) -> None:
    assert asked.ask([*seen_picture(asked.api), *said("And now?")]) == PLAIN
    asked.seen.is_told_of_a_picture()


def test_error(asked: Asked) -> None:
    with pytest.raises(NotFoundError, match=r"The model .*nope.* does not exist"):
        asked.ask(said("hi"), model="openai/nope")
    with pytest.raises(BadRequestError, match=r"Invalid value for .*temperature"):
        asked.ask(said("hi"), temperature=9)
    with pytest.raises(RateLimitError, match=BUSY):
        asked.ask(said("BUSY"))
    with pytest.raises(MidStreamFallbackError, match=BROKEN):
        list(asked.raw(said("BROKEN"), stream=True))


def test_cancel(asked: Asked) -> None:
    stream = asked.raw(said("SLOW"), stream=True)
    for _ in range(8):
        next(stream)
    stream.close()
    asked.seen.is_cancelled()
