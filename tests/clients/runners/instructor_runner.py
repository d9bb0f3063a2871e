"""instructor: an answer that is an object, asked for in the way that each protocol has for it."""

import instructor
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

from runner import asked

ask = asked()


class Answer(BaseModel):
    answer: str


openai = OpenAI(base_url=ask.base_url, api_key="any", max_retries=0)
client = {
    "chat": lambda: instructor.from_openai(openai, mode=instructor.Mode.JSON_SCHEMA),
    "responses": lambda: instructor.from_openai(openai, mode=instructor.Mode.RESPONSES_TOOLS),
    "messages": lambda: instructor.from_anthropic(
        Anthropic(base_url=ask.url, api_key="any", max_retries=0), mode=instructor.Mode.ANTHROPIC_TOOLS
    ),
}[ask.api]()
more = {"max_tokens": 1_000} if ask.api == "messages" else {}
history = ask.history()
if ask.picture is not None:
    # It writes pictures as each protocol has them, so the turn is kept as it was asked.
    history = [{"role": "user", "content": ["Look", ask.picture]}, {"role": "assistant", "content": "I see."}]
else:
    messages = [
        {**turn, "content": [turn["content"][0], instructor.Image.from_base64(turn["content"][1])]}
        if isinstance(turn["content"], list)
        else turn
        for turn in history
    ]
    messages.append({"role": "user", "content": ask.words})
    asked_for = {"model": ask.model, "messages": messages, "response_model": Answer, "max_retries": 1, **more}
    if ask.streamed:
        told = ""
        for partial in client.create_partial(**asked_for):
            now = partial.answer or ""
            ask.tell(now.removeprefix(told))
            told = now
        ask.told()
    else:
        print(client.create(**asked_for).answer)
    history.append({"role": "user", "content": ask.words})
ask.keep(history)
