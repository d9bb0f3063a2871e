"""agent-framework: an agent with one tool, over either of its clients of OpenAI's protocols."""

import asyncio

from agent_framework import Agent, Content, Message
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient

from runner import asked, weather

ask = asked()
Client = OpenAIChatCompletionClient if ask.api == "chat" else OpenAIChatClient
agent = Agent(Client(model=ask.model, base_url=ask.base_url, api_key="any"), tools=[weather])
history = [Message.from_dict(message) for message in ask.history()]


async def main() -> None:
    if ask.picture is not None:
        picture = Content.from_uri(ask.picture, media_type="image/png")
        history.extend([Message("user", ["Look", picture]), Message("assistant", ["I see."])])
    elif ask.streamed:
        async for update in agent.run(ask.words, stream=True):
            ask.tell(update.text)
        ask.told()
    else:
        history.append(Message("user", [ask.words]))
        said = await agent.run(history)
        history.extend(said.messages)
        print(said.text)
    ask.keep([message.to_dict() for message in history])


asyncio.run(main())
