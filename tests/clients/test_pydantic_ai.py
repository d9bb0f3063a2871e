"""pydantic-ai over both of its models. It names no server tool beside its own, so the default ones are offered."""

from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from pictures import PICTURE
from seen import BOTH, BROKEN, BUSY, PLAIN, SUM, SUNNY, TOO_HOT, UNKNOWN, Seen, wait, weather

APIS = ["chat", "responses"]
MODELS = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}


class Asked:
    def __init__(self, seen: Seen, api: str) -> None:
        self.seen = seen
        self.api = api

    def agent(self, name: str = "gyre", **more: Any) -> Agent[Any, Any]:
        client = AsyncOpenAI(base_url=self.seen.base_url, api_key="any", max_retries=0)
        return Agent(
            MODELS[self.api](name, provider=OpenAIProvider(openai_client=client)), instructions="Be brief.", **more
        )


@pytest.fixture(params=APIS)
def asked(request: pytest.FixtureRequest, seen: Seen) -> Asked:
    return Asked(seen, request.param)


def run(agent: Agent[Any, Any], words: str, **more: Any) -> tuple[str, Any]:
    result = wait(agent.run(words, **more))
    return result.output, result.all_messages()


def run_streamed(agent: Agent[Any, Any], words: str, **more: Any) -> tuple[str, Any]:
    async def whole() -> tuple[str, Any]:
        async with agent.run_stream(words, **more) as result:
            return "".join([text async for text in result.stream_text(delta=True)]), result.all_messages()

    return wait(whole())


BY = pytest.mark.parametrize("by", [run, run_streamed])


def test_plain(asked: Asked) -> None:
    assert run(asked.agent(), "hi")[0] == PLAIN


def test_streamed(asked: Asked) -> None:
    assert run_streamed(asked.agent(), "hi")[0] == PLAIN


@BY
def test_server_tool(asked: Asked, by: Any) -> None:
    assert by(asked.agent(), "SERVER_TOOL")[0] == SUM
    assert asked.seen.offered() == ["calculator", "shout"]
    assert asked.seen.calls() == [("calculator", "server")]


@BY
def test_own_tool(asked: Asked, by: Any) -> None:
    assert by(asked.agent(tools=[weather]), "OWN_TOOL")[0] == SUNNY
    assert asked.seen.calls() == [("weather", "client")]


@BY
def test_mixed(asked: Asked, by: Any) -> None:
    agent = asked.agent(tools=[weather])
    said, history = by(agent, "MIXED")
    assert said == BOTH
    assert by(agent, "And now?", message_history=history)[0] == PLAIN
    assert asked.seen.roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    asked.seen.is_mixed()


@BY
def test_image_in_history(asked: Asked, by: Any) -> None:
    look = UserPromptPart(["Look.", BinaryContent(PICTURE, media_type="image/png")])
    history = [ModelRequest([look]), ModelResponse([TextPart("I see.")])]
    assert by(asked.agent(), "And now?", message_history=history)[0] == PLAIN
    asked.seen.is_told_of_a_picture()


def test_error(asked: Asked) -> None:
    with pytest.raises(ModelHTTPError, match=UNKNOWN) as unknown:
        run(asked.agent("nope"), "hi")
    with pytest.raises(ModelHTTPError, match=TOO_HOT) as refused:
        run(asked.agent(model_settings={"temperature": 9}), "hi")
    for by in (run, run_streamed):
        with pytest.raises(ModelHTTPError, match=BUSY) as busy:
            by(asked.agent(), "BUSY")
        assert busy.value.status_code == 429
    assert [unknown.value.status_code, refused.value.status_code] == [404, 400]
    with pytest.raises(ModelAPIError, match=BROKEN):
        run_streamed(asked.agent(), "BROKEN")


def test_cancel(asked: Asked) -> None:
    async def leave() -> None:
        async with asked.agent().run_stream("SLOW") as result:
            heard = 0
            async for _ in result.stream_text(delta=True, debounce_by=None):
                heard += 1
                if heard == 5:
                    break

    wait(leave())
    asked.seen.is_cancelled()
