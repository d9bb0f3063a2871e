"""The official Python client, chat and responses."""

from collections.abc import Callable
from typing import Any

import pytest
from openai import APIError, BadRequestError, NotFoundError, OpenAI, RateLimitError

from pictures import seen_picture
from seen import BOTH, BROKEN, BUSY, PLAIN, SUM, SUNNY, TOO_HOT, UNKNOWN, Seen, call_weather, weather_schema

APIS = ["chat", "responses"]
CALCULATOR = {"type": "gyre:calculator"}
WEATHER: dict[str, dict[str, Any]] = {
    "chat": {"type": "function", "function": {"name": "weather", "parameters": weather_schema()}},
    "responses": {"type": "function", "name": "weather", "parameters": weather_schema()},
}


@pytest.fixture
def client(seen: Seen) -> OpenAI:
    return OpenAI(base_url=seen.base_url, api_key="any", max_retries=0)


def items(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(client: OpenAI, api: str, history: list[Any], **more: Any) -> str:
    """One answer; it is added to the history as the library gave it."""
    if api == "chat":
        message = client.chat.completions.create(**{"model": "gyre", **more}, messages=history).choices[0].message
        history.append(message)
        return message.content or ""
    response = client.responses.create(**{"model": "gyre", **more}, input=history)
    history.extend(response.output)
    return response.output_text


def ask_streamed(client: OpenAI, api: str, history: list[Any], **more: Any) -> str:
    """The same by the library's own accumulator."""
    if api == "chat":
        with client.chat.completions.stream(model="gyre", messages=history, **more) as stream:
            message = stream.get_final_completion().choices[0].message
        history.append(message)
        return message.content or ""
    with client.responses.stream(model="gyre", input=history, **more) as events:
        response = events.get_final_response()
    history.extend(response.output)
    return response.output_text


BY = pytest.mark.parametrize("by", [ask, ask_streamed])


def run_own(history: list[Any], api: str) -> None:
    if api == "chat":
        [call] = history[-1].tool_calls
        history.append({"role": "tool", "tool_call_id": call.id, "content": call_weather(call.function.arguments)})
    else:
        [call] = [item for item in history if getattr(item, "type", "") == "function_call"]
        history.append(
            {"type": "function_call_output", "call_id": call.call_id, "output": call_weather(call.arguments)}
        )


@pytest.mark.parametrize("api", APIS)
def test_plain(client: OpenAI, api: str) -> None:
    assert ask(client, api, items("hi")) == PLAIN


@pytest.mark.parametrize("api", APIS)
def test_streamed(client: OpenAI, api: str) -> None:
    if api == "chat":
        chunks = client.chat.completions.create(
            model="gyre", messages=items("hi"), stream=True, stream_options={"include_usage": True}
        )
        said = list(chunks)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices) == PLAIN
        assert said[-1].usage is not None and said[-1].usage.total_tokens > 0
    else:
        events = list(client.responses.create(model="gyre", input="hi", stream=True))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == PLAIN
        assert events[-1].type == "response.completed"
    assert ask_streamed(client, api, items("hi")) == PLAIN


@pytest.mark.parametrize("api", APIS)
@BY
def test_server_tool(client: OpenAI, seen: Seen, api: str, by: Callable[..., str]) -> None:
    assert by(client, api, items("SERVER_TOOL"), tools=[CALCULATOR]) == SUM
    assert seen.offered() == ["calculator"]
    assert seen.calls() == [("calculator", "server")]


@pytest.mark.parametrize("api", APIS)
@BY
def test_own_tool(client: OpenAI, seen: Seen, api: str, by: Callable[..., str]) -> None:
    history = items("OWN_TOOL")
    by(client, api, history, tools=[WEATHER[api]])
    run_own(history, api)
    assert by(client, api, history, tools=[WEATHER[api]]) == SUNNY
    assert seen.calls() == [("weather", "client")]


@pytest.mark.parametrize("api", APIS)
@BY
def test_mixed(client: OpenAI, seen: Seen, api: str, by: Callable[..., str]) -> None:
    history = items("MIXED")
    tools = [CALCULATOR, WEATHER[api]]
    by(client, api, history, tools=tools)
    run_own(history, api)
    assert by(client, api, history, tools=tools) == BOTH
    assert by(client, api, [*history, *items("And now?")], tools=tools) == PLAIN
    assert seen.roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    seen.is_mixed()


@pytest.mark.parametrize("api", APIS)
def test_image_in_history(client: OpenAI, seen: Seen, api: str) -> None:
    assert ask(client, api, [*seen_picture(api), *items("And now?")]) == PLAIN
    seen.is_told_of_a_picture()


@pytest.mark.parametrize("api", APIS)
def test_error(client: OpenAI, api: str) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN):
        ask(client, api, items("hi"), model="nope")
    with pytest.raises(BadRequestError, match=TOO_HOT) as refused:
        ask(client, api, items("hi"), temperature=9)
    assert refused.value.param == "temperature"
    with pytest.raises(RateLimitError, match=BUSY) as busy:
        ask(client, api, items("BUSY"))
    assert busy.value.response.headers["retry-after"] == "1"
    with pytest.raises(APIError, match=BROKEN):
        if api == "chat":
            list(client.chat.completions.create(model="gyre", messages=items("BROKEN"), stream=True))
        else:
            list(client.responses.create(model="gyre", input="BROKEN", stream=True))


@pytest.mark.parametrize("api", APIS)
def test_cancel(client: OpenAI, seen: Seen, api: str) -> None:
    if api == "chat":
        stream: Any = client.chat.completions.create(model="gyre", messages=items("SLOW"), stream=True)
    else:
        stream = client.responses.create(model="gyre", input="SLOW", stream=True)
    for _ in range(8):
        next(stream)
    stream.close()
    seen.is_cancelled()
