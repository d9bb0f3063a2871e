"""LlamaIndex: an agent with one tool, and the model alone where it streams."""

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike

from runner import asked, weather

ask = asked()
where = {"model": ask.model, "api_base": ask.base_url, "api_key": "any", "max_retries": 0}
llm = (
    OpenAILike(**where, is_chat_model=True, is_function_calling_model=True)
    if ask.api == "chat"
    else OpenAIResponses(**where, context_window=100_000)
)
history = [ChatMessage.model_validate(message) for message in ask.history()]


async def main() -> None:
    if ask.streamed:
        async for part in await llm.astream_chat([ChatMessage(ask.words)]):
            ask.tell(part.delta)
        ask.told()
        return
    if ask.picture is not None:
        # A picture in the newest turn is for a model that sees; this one is of an older turn.
        blocks = [TextBlock(text="Look"), ImageBlock(url=ask.picture)]
        ask.keep(
            [
                message.model_dump(mode="json")
                for message in (
                    ChatMessage(role=MessageRole.USER, blocks=blocks),
                    ChatMessage(role=MessageRole.ASSISTANT, content="I see."),
                )
            ]
        )
        return
    memory = ChatMemoryBuffer.from_defaults(chat_history=history, token_limit=100_000)
    agent = FunctionAgent(tools=[weather], llm=llm, streaming=False)
    print(await agent.run(ask.words, memory=memory))
    ask.keep([message.model_dump(mode="json") for message in memory.get_all()])


asyncio.run(main())
