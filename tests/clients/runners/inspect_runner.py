"""inspect-ai: the loop of its solvers over a model of its own providers."""

import asyncio
import os

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageUser, ContentImage, ContentText, get_model
from inspect_ai.tool import Tool, tool
from pydantic import TypeAdapter

from runner import asked
from runner import weather as tell

ask = asked()
messages = TypeAdapter(list[ChatMessage])


@tool
def weather() -> Tool:
    async def execute(city: str, days: float) -> str:
        """The weather of a city in some days.

        Args:
            city: Where.
            days: From now.
        """
        return tell(city, days)

    return execute


PROVIDERS = {
    "chat": (f"openai-api/gyre/{ask.model}", ask.base_url, {}),
    "responses": (f"openai/{ask.model}", ask.base_url, {"responses_api": True}),
    "messages": (f"anthropic/{ask.model}", ask.url, {}),
}


async def main() -> None:
    name, base_url, more = PROVIDERS[ask.api]
    model = get_model(name, base_url=base_url, api_key="any", **more)
    history = messages.validate_python(ask.history())
    if ask.picture is not None:
        seen = [ContentText(text="Look"), ContentImage(image=ask.picture)]
        history = [ChatMessageUser(content=seen), ChatMessageAssistant(content="I see.")]
    else:
        history.append(ChatMessageUser(content=ask.words))
        more_messages, output = await model.generate_loop(history, tools=[weather()])
        history.extend(more_messages)
        print(output.completion)
    ask.keep(messages.dump_python(history, mode="json"))


os.environ["INSPECT_LOG_LEVEL"] = "error"
asyncio.run(main())
