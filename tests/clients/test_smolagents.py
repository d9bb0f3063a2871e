"""smolagents' OpenAIModel and its tool-calling agent. It names no server tool, so the default ones are offered."""

import gc
import io
from typing import Any

import PIL.Image
import pytest
from openai import APIError, BadRequestError, NotFoundError, RateLimitError
from smolagents import OpenAIModel, ToolCallingAgent, tool

from pictures import PICTURE
from seen import BROKEN, BUSY, PLAIN, SUM, SUNNY, TOO_HOT, UNKNOWN, Seen

APIS = ["chat"]


@tool
def weather(city: str, days: float) -> str:
    """The weather of a city.

    Args:
        city: Its name.
        days: How many days ahead.
    """
    return f"sunny in {city}"


def model(seen: Seen, name: str = "gyre", **more: Any) -> OpenAIModel:
    # Its own retries wait for minutes.
    return OpenAIModel(
        model_id=name, api_base=seen.base_url, api_key="any", retry=False, client_kwargs={"max_retries": 0}, **more
    )


def agent(seen: Seen, streams: bool) -> ToolCallingAgent:
    return ToolCallingAgent(tools=[weather], model=model(seen), max_steps=4, verbosity_level=0, stream_outputs=streams)


def said(words: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": words}]}]


STREAMS = pytest.mark.parametrize("streams", [False, True])


def test_plain(seen: Seen) -> None:
    answer = model(seen).generate(said("hi"))
    assert answer.content == PLAIN
    assert answer.token_usage.total_tokens > 0


def test_streamed(seen: Seen) -> None:
    deltas = list(model(seen).generate_stream(said("hi")))
    assert "".join(delta.content or "" for delta in deltas) == PLAIN
    assert deltas[-1].token_usage.total_tokens > 0


@STREAMS
def test_server_tool(seen: Seen, streams: bool) -> None:
    assert agent(seen, streams).run("SERVER_TOOL") == SUM
    assert seen.offered(0) == ["weather", "final_answer", "calculator", "shout"]
    # It demands a call, of one of its own: after a step of ours there are no others.
    assert seen.offered() == ["weather", "final_answer"]
    assert seen.calls() == [("calculator", "server"), ("final_answer", "client")]


@STREAMS
def test_own_tool(seen: Seen, streams: bool) -> None:
    assert agent(seen, streams).run("OWN_TOOL") == SUNNY
    assert seen.calls() == [("weather", "client"), ("final_answer", "client")]


@STREAMS
def test_mixed(seen: Seen, streams: bool) -> None:
    """It tells its own calls as text, so a turn of its own is all that the policy is given back; the server's result is
    not.
    """
    assert agent(seen, streams).run("MIXED") == SUNNY
    assert seen.calls() == [("calculator", "server"), ("weather", "client"), ("final_answer", "client")]
    assert seen.roles == ["system", "user", "assistant", "user"]


def test_image_in_history(seen: Seen) -> None:
    look = {"type": "image", "image": PIL.Image.open(io.BytesIO(PICTURE))}
    see = {"role": "assistant", "content": [{"type": "text", "text": "I see."}]}
    assert model(seen).generate([{"role": "user", "content": [look]}, see, *said("And now?")]).content == PLAIN
    seen.is_told_of_a_picture()


def test_error(seen: Seen) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN):
        model(seen, "nope").generate(said("hi"))
    with pytest.raises(BadRequestError, match=TOO_HOT):
        model(seen, temperature=9).generate(said("hi"))
    with pytest.raises(RateLimitError, match=BUSY):
        model(seen).generate(said("BUSY"))
    with pytest.raises(APIError, match=BROKEN):
        list(model(seen).generate_stream(said("BROKEN")))


def test_cancel(seen: Seen) -> None:
    stream = model(seen).generate_stream(said("SLOW"))
    for _ in range(8):
        next(stream)
    stream.close()
    # It leaves the response to the garbage collector.
    del stream
    gc.collect()
    seen.is_cancelled()
