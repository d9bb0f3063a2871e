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
    lazy = (
        "openai.resources",
        "anthropic.resources",
        "inspect_ai.model._providers.openai",
        "inspect_ai.model._providers.anthropic",
    )


class LlamaIndex(Library):
    name = "LlamaIndex"
    package = "llama-index"
    apis = ("chat", "responses")
    runner = "llama_index"
    lazy = ("openai.resources",)


WEATHER_FUNCTION = '''
from pydantic import BaseModel


class Function(BaseModel):
    """The weather of a city in some days."""

    city: str
    days: float

    @classmethod
    def execute(cls, city: str, days: float) -> str:
        return f"sunny in {city}"

    @classmethod
    def openai_schema(cls) -> dict:
        return {"type": "function", "function": {"name": "weather", "parameters": cls.model_json_schema()}}
'''


class ShellGpt(PythonProgram):
    name = "shell-gpt"
    package = "shell-gpt"
    apis = ("chat",)
    # It asks for one call at a time, and holds text alone.
    lacks: ClassVar = {"mixed": "one call a turn", "image_in_history": "not sent"}

    def prepare(self, place: Place) -> None:
        place.write(".config/shell_gpt/functions/weather.py", WEATHER_FUNCTION)
        settings = {
            "API_BASE_URL": place.base_url,
            "OPENAI_API_KEY": "any",
            "DEFAULT_MODEL": "gyre",
            "OPENAI_USE_FUNCTIONS": "true",
            "SHELL_INTERACTION": "false",
            "CHAT_CACHE_PATH": place.home / "chats",
        }
        place.write(".config/shell_gpt/.sgptrc", "".join(f"{name}={value}\n" for name, value in settings.items()))

    def environment(self, place: Place) -> dict[str, str]:
        return {"COLUMNS": "1000"}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        return [self.bin / "sgpt", "--model", turn.model, "--no-md", "--no-cache", "--chat", "talk", turn.words]


class Aider(PythonProgram):
    name = "aider"
    package = "aider-chat"
    apis = ("chat",)
    # It edits by text, and takes pictures from a prompt at a terminal alone.
    lacks: ClassVar = {"own_tool": "none", "mixed": "none", "image_in_history": "not sent"}

    def environment(self, place: Place) -> dict[str, str]:
        # What fails it asks for again for a minute, which nothing shortens.
        return {
            "OPENAI_API_BASE": place.base_url,
            "OPENAI_API_KEY": "any",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "COLUMNS": "1000",
        }

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        flags = "--no-git --yes-always --no-check-update --analytics-disable --no-show-model-warnings --no-pretty"
        return [self.bin / "aider", "--model", f"openai/{turn.model}", *flags.split(), "--message", turn.words]


class Dspy(Library):
    name = "DSPy"
    package = "dspy"
    apis = ("chat",)
    runner = "dspy"
    lazy = ("litellm", "openai.resources")
    # A turn of its agent ends with a call, and what comes after it is its answer to that.
    resumes = False
    # Its modules take a picture as a field of the question at hand.
    lacks: ClassVar = {"image_in_history": "not sent"}


class AgentFramework(Library):
    name = "agent-framework"
    package = "agent-framework"
    apis = ("chat", "responses")
    runner = "agent_framework"
    lazy = ("agent_framework.openai", "openai.resources")


class Instructor(Library):
    name = "instructor"
    package = "instructor"
    apis = ("chat", "responses", "messages")
    runner = "instructor"
    lazy = ("openai.resources", "anthropic.resources")
    # Over two of the protocols the answer is the one call that it lets the model make.
    lacks: ClassVar = {
        "streamed, messages": "in one piece",
        "server_tool, responses": "not let",
        "server_tool, messages": "not let",
        "own_tool": "none",
        "mixed": "none",
    }


class MiniSweAgent(PythonProgram):
    name = "mini-swe-agent"
    package = "mini-swe-agent"
    apis = ("chat",)
    own = "bash"
    resumes = False
    # It asks for whole answers, and knows text alone.
    lacks: ClassVar = {"streamed": "none", "image_in_history": "not sent"}

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "OPENAI_API_BASE": place.base_url,
            "OPENAI_API_KEY": "any",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "MSWEA_CONFIGURED": "true",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1",
        }

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        return [self.bin / "mini", "-m", f"openai/{turn.model}", "-t", turn.words, "--yolo", "--exit-immediately"]
