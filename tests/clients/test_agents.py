"""The OpenAI Agents SDK over both of its models. It names no server tool, so the default ones are offered."""

from typing import Any

import pytest
from agents import (
    Agent,
    ModelBehaviorError,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import APIError, AsyncOpenAI, BadRequestError, NotFoundError, RateLimitError

from pictures import seen_picture
from seen import BOTH, BROKEN, BUSY, PLAIN, SUM, SUNNY, TOO_HOT, UNKNOWN, Seen, wait, weather

APIS = ["chat", "responses"]
MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


class Asked:
    def __init__(self, seen: Seen, api: str, **more: Any) -> None:
        self.seen = seen
        self.api = api
        self.more = more

    def agent(self, **more: Any) -> Agent[Any]:
        client = AsyncOpenAI(base_url=self.seen.base_url, api_key="any", max_retries=0)
        model = MODELS[self.api](model=more.pop("model", "gyre"), openai_client=client)
        return Agent(name="a", instructions="Be brief.", model=model, **more)


@pytest.fixture(params=APIS)
def asked(request: pytest.FixtureRequest, seen: Seen) -> Asked:
    return Asked(seen, request.param)


def run(agent: Agent[Any], history: Any, **more: Any) -> Any:
    return wait(Runner.run(agent, history, **more))


def run_streamed(agent: Agent[Any], history: Any, **more: Any) -> Any:
    async def whole() -> Any:
        result = Runner.run_streamed(agent, history, **more)
        async for _ in result.stream_events():
            pass
        return result

    return wait(whole())


BY = pytest.mark.parametrize("by", [run, run_streamed])


def test_plain(asked: Asked) -> None:
    assert run(asked.agent(), "hi").final_output == PLAIN


def test_streamed(asked: Asked) -> None:
    async def deltas() -> str:
        events = Runner.run_streamed(asked.agent(), "hi").stream_events()
        raw = [event.data async for event in events if event.type == "raw_response_event"]
        return "".join(data.delta for data in raw if data.type == "response.output_text.delta")

    assert wait(deltas()) == PLAIN


@BY
def test_server_tool(asked: Asked, by: Any) -> None:
    assert by(asked.agent(), "SERVER_TOOL").final_output == SUM
    assert asked.seen.offered() == ["calculator", "shout"]
    assert asked.seen.calls() == [("calculator", "server")]


@BY
def test_own_tool(asked: Asked, by: Any) -> None:
    assert by(asked.agent(tools=[function_tool(weather)]), "OWN_TOOL").final_output == SUNNY
    assert asked.seen.calls() == [("weather", "client")]


@BY
def test_mixed(asked: Asked, by: Any) -> None:
    agent = asked.agent(tools=[function_tool(weather)])
    result = by(agent, "MIXED")
    assert result.final_output == BOTH
    assert by(agent, [*result.to_input_list(), {"role": "user", "content": "And now?"}]).final_output == PLAIN
    assert asked.seen.roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    asked.seen.is_mixed()


def test_mixed_goes_on_from_a_response(seen: Seen) -> None:
    agent = Asked(seen, "responses").agent(tools=[function_tool(weather)])
    first = run(agent, "MIXED", auto_previous_response_id=True)
    assert first.final_output == BOTH
    assert run(agent, "And now?", previous_response_id=first.last_response_id).final_output == PLAIN
    assert seen.roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    seen.is_mixed()


@BY
def test_image_in_history(asked: Asked, by: Any) -> None:
    """Both of its models are told of pictures as Responses has them."""
    history = [*seen_picture("responses"), {"role": "user", "content": "And now?"}]
    assert by(asked.agent(), history).final_output == PLAIN
    asked.seen.is_told_of_a_picture()


def test_error(asked: Asked) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN):
        run(asked.agent(model="nope"), "hi")
    with pytest.raises(BadRequestError, match=TOO_HOT):
        run(asked.agent(model_settings=ModelSettings(temperature=9)), "hi")
    for by in (run, run_streamed):
        with pytest.raises(RateLimitError, match=BUSY):
            by(asked.agent(), "BUSY")
    with pytest.raises((APIError, ModelBehaviorError), match=BROKEN):
        run_streamed(asked.agent(), "BROKEN")


def test_cancel(asked: Asked) -> None:
    async def leave() -> None:
        result = Runner.run_streamed(asked.agent(), "SLOW")
        heard = 0
        async for event in result.stream_events():
            heard += event.type == "raw_response_event"
            if heard == 8:
                result.cancel()

    wait(leave())
    asked.seen.is_cancelled()
