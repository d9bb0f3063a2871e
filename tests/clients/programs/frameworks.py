"""Programs and libraries of Python; a library is driven by its file in `runners`."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from program import Library, Place, PythonProgram, Turn

WEATHER = '''
def weather(city: str, days: float) -> str:
    """The weather of a city in some days."""
    return f"sunny in {city}"
'''


class Llm(PythonProgram):
    name = "llm"
    package = "llm"
    apis = ("chat",)
    # It keeps no turn that was refused.
    lacks: ClassVar = {"image_in_history": "not sent"}

    def prepare(self, place: Place) -> None:
        where = f'  api_base: "{place.base_url}"\n  api_key_name: gyre\n  supports_tools: true\n  vision: true\n'
        place.write(
            "llm/extra-openai-models.yaml",
            "".join(f"- model_id: {name}\n  model_name: {name}\n{where}" for name in ("gyre", "nope")),
        )
        place.write("llm/keys.json", '{"gyre": "any"}')
        place.write("weather.py", WEATHER)

    def environment(self, place: Place) -> dict[str, str]:
        return {"LLM_USER_PATH": str(place.home / "llm")}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        return [
            self.bin / "llm",
            "prompt",
            "-m",
            turn.model,
            *([] if turn.streamed else ["--no-stream"]),
            *(["-c"] if turn.resumed else []),
            *([] if turn.streamed else ["--functions", place.home / "weather.py"]),
            turn.words,
        ]


class Inspect(Library):
    name = "inspect-ai"
    package = "inspect-ai"
    apis = ("chat", "responses", "messages")
    runner = "inspect"


class LlamaIndex(Library):
    name = "LlamaIndex"
    package = "llama-index"
    apis = ("chat", "responses")
    runner = "llama_index"


class ShellGpt(PythonProgram):
    name = "shell-gpt"
    package = "shell-gpt"
    apis = ("chat",)
    scenes = ("plain", "streamed", "server_tool", "cancel")

    def prepare(self, place: Place) -> None:
        settings = {
            "API_BASE_URL": place.base_url,
            "OPENAI_API_KEY": "any",
            "DEFAULT_MODEL": "gyre",
            "OPENAI_USE_FUNCTIONS": "false",
            "SHELL_INTERACTION": "false",
        }
        place.write(".config/shell_gpt/.sgptrc", "".join(f"{name}={value}\n" for name, value in settings.items()))

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        return [self.bin / "sgpt", "--model", turn.model, "--no-md", "--no-cache", turn.words]


class Aider(PythonProgram):
    name = "aider"
    package = "aider-chat"
    apis = ("chat",)
    scenes = ("plain", "streamed", "server_tool", "cancel")

    def environment(self, place: Place) -> dict[str, str]:
        return {"OPENAI_API_BASE": place.base_url, "OPENAI_API_KEY": "any", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        flags = "--no-git --yes-always --no-check-update --analytics-disable --no-show-model-warnings --no-pretty"
        return [self.bin / "aider", "--model", f"openai/{turn.model}", *flags.split(), "--message", turn.words]


class Dspy(Library):
    name = "DSPy"
    package = "dspy"
    apis = ("chat",)
    runner = "dspy"
    scenes = ("plain", "streamed", "server_tool")
