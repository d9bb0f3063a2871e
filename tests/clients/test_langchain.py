"""LangChain's ChatOpenAI over both APIs; what it has no word for goes through `bind`."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIInvalidRequestError, OpenAIModelNotFoundError, OpenAIRateLimitError

from pictures import seen_picture
from seen import BOTH, BROKEN, BUSY, PLAIN, SUM, SUNNY, TOO_HOT, UNKNOWN, Seen, weather

APIS = ["chat", "responses"]
CALCULATOR = {"type": "gyre:calculator"}
WEATHER = tool(weather)


@pytest.fixture(params=APIS)
def model(request: pytest.FixtureRequest, seen: Seen) -> ChatOpenAI:
    return chat_openai(seen, request.param == "responses")


def chat_openai(seen: Seen, responses: bool, name: str = "gyre") -> ChatOpenAI:
    return ChatOpenAI(
        model=name, base_url=seen.base_url, api_key="any", max_retries=0, stream_usage=True, use_responses_api=responses
    )


def streamed(model: Any, history: Any) -> AIMessage:
    chunks = list(model.stream(history))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def converse(model: Any, by: Any, words: str) -> list[BaseMessage]:
    """Asks, runs what is called, asks again."""
    history: list[BaseMessage] = [HumanMessage(words)]
    said = by(model, history)
    history += [said, *(WEATHER.invoke(call) for call in said.tool_calls)]
    return [*history, by(model, history)]


def invoked(model: Any, history: Any) -> AIMessage:
    return model.invoke(history)


BY = pytest.mark.parametrize("by", [invoked, streamed])


def test_plain(model: ChatOpenAI) -> None:
    said = model.invoke("hi")
    assert said.text == PLAIN
    assert said.usage_metadata is not None and said.usage_metadata["total_tokens"] > 0


def test_streamed(model: ChatOpenAI) -> None:
    said = streamed(model, "hi")
    assert said.text == PLAIN
    assert said.usage_metadata is not None and said.usage_metadata["total_tokens"] > 0


@BY
def test_server_tool(model: ChatOpenAI, seen: Seen, by: Any) -> None:
    assert by(model.bind(tools=[CALCULATOR]), "SERVER_TOOL").text == SUM
    assert seen.offered() == ["calculator"]
    assert seen.calls() == [("calculator", "server")]


@BY
def test_own_tool(model: ChatOpenAI, seen: Seen, by: Any) -> None:
    assert converse(model.bind_tools([WEATHER]), by, "OWN_TOOL")[-1].text == SUNNY
    assert seen.calls() == [("weather", "client")]


@BY
def test_mixed(model: ChatOpenAI, seen: Seen, by: Any) -> None:
    both = model.bind(tools=[CALCULATOR, convert_to_openai_tool(WEATHER)])
    history = converse(both, by, "MIXED")
    assert history[-1].text == BOTH
    assert by(both, [*history, HumanMessage("And now?")]).text == PLAIN
    assert seen.roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    seen.is_mixed()


def test_image_in_history(model: ChatOpenAI, seen: Seen) -> None:
    """It has one spelling of pictures for both APIs."""
    assert model.invoke([*seen_picture("chat"), HumanMessage("And now?")]).text == PLAIN
    seen.is_told_of_a_picture()


def test_error(model: ChatOpenAI, seen: Seen) -> None:
    with pytest.raises(OpenAIModelNotFoundError, match=UNKNOWN):
        chat_openai(seen, bool(model.use_responses_api), "nope").invoke("hi")
    with pytest.raises(OpenAIInvalidRequestError, match=TOO_HOT):
        model.invoke("hi", temperature=9)
    with pytest.raises(OpenAIRateLimitError, match=BUSY):
        model.invoke("BUSY")
    with pytest.raises(Exception, match=BROKEN):
        list(model.stream("BROKEN"))


def test_cancel(model: ChatOpenAI, seen: Seen) -> None:
    stream = model.stream("SLOW")
    for _ in range(8):
        next(stream)
    stream.close()
    seen.is_cancelled()
