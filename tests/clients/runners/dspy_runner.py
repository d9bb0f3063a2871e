"""DSPy: an agent with one tool, and a module alone where it streams."""

import asyncio
import pickle

import dspy

from runner import asked, weather

ask = asked()


class Model(dspy.LM):
    """It asks a list of known models whether one takes tools, and ours is in none."""

    supports_function_calling = True


dspy.configure(
    lm=Model(f"openai/{ask.model}", api_base=ask.base_url, api_key="any", num_retries=0, cache=False),
    adapter=dspy.ChatAdapter(use_native_function_calling=True, use_json_adapter_fallback=False),
)


async def stream() -> None:
    listener = dspy.streaming.StreamListener("answer")
    streamed = dspy.streamify(dspy.Predict("question -> answer"), stream_listeners=[listener])
    async for part in streamed(question=ask.words):
        if isinstance(part, dspy.streaming.StreamResponse):
            ask.tell(part.chunk)
    ask.told()


if ask.streamed:
    asyncio.run(stream())
else:
    agent = dspy.ReActV2("question -> answer", tools=[weather])
    # Its history holds objects, which no JSON of its own brings back.
    history = pickle.loads(ask.file.read_bytes()) if ask.file.exists() else None
    said = agent(question=ask.words, history=history)
    ask.file.write_bytes(pickle.dumps(said.history))
    print(said.answer)
