"""inspect-ai: the loop of its solvers over a model of its own providers."""

import asyncio
import os

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageUser,
    ContentImage,
    ContentText,
    GenerateConfig,
    StreamEvent,
    get_model,
)
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


async def hear(event: StreamEvent) -> None:
    ask.tell(event.text if event.type == "text" else None)


async def main() -> None:
    name, base_url, more = PROVIDERS[ask.api]
    # Its users bound it so by `--max-retries`: without, it asks again for as long as the engine fails.
    config = GenerateConfig(max_retries=0)
    model = get_model(name, base_url=base_url, api_key="any", config=config, **more)
    history = messages.validate_python(ask.history())
    if ask.picture is not None:
        seen = [ContentText(text="Look"), ContentImage(image=ask.picture)]
        history = [ChatMessageUser(content=seen), ChatMessageAssistant(content="I see.")]
    else:
        history.append(ChatMessageUser(content=ask.words))
        on_stream = hear if ask.streamed else None
        more_messages, output = await model.generate_loop(history, tools=[weather()], on_stream=on_stream)
        history.extend(more_messages)
        if ask.streamed:
            ask.told()
        else:
            print(output.completion)
    ask.keep(messages.dump_python(history, mode="json"))


os.environ["INSPECT_LOG_LEVEL"] = "error"
asyncio.run(main())
