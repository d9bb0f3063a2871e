"""DSPy: its model by LiteLLM, asked as a program asks it."""

import dspy

from runner import asked

ask = asked()
model = dspy.LM(f"openai/{ask.model}", api_base=ask.base_url, api_key="any", num_retries=0, cache=False)
print(model(ask.words)[0])
