"""instructor: an answer of a given form, over a call of its own."""

import instructor
from pydantic import BaseModel

from runner import asked

ask = asked()


class weather(BaseModel):
    """Its name is that of the tool."""

    city: str
    days: float


client = instructor.from_provider(f"openai/{ask.model}", base_url=ask.base_url, api_key="any", max_retries=0)
said = client.create(messages=[{"role": "user", "content": ask.words}], response_model=weather, max_retries=0)
print(f"sunny in {said.city}")
