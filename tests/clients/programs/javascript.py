"""Programs and libraries of npm; each library is driven by its file in `runners`."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from program import Place, Turn

from .of_npm import NodeLibrary, NodeProgram

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "number"}},
    "required": ["city", "days"],
}
STREAMED = "-streamed"


class AiSdk5(NodeLibrary):
    name = "AI SDK 5"
    package = "ai"
    apis = ("openai.chat", "openai.responses", "openai-compatible", "anthropic")
    runner = "ai_sdk_5"


class AiSdk5Streamed(AiSdk5):
    name = "AI SDK 5, streamed"
    streamed = True


class AgentsJs(NodeLibrary):
    name = "OpenAI Agents SDK (Node)"
    package = "@openai/agents"
    apis = ("chat", "responses")
    runner = "openai_agents_js"


class AgentsJsStreamed(AgentsJs):
    name = "OpenAI Agents SDK (Node), streamed"
    streamed = True


class LangChainJs(NodeLibrary):
    name = "LangChain (Node)"
    package = "langchain-js"
    apis = ("chat", "responses", "messages")
    runner = "langchain_js"


class LangChainJsStreamed(LangChainJs):
    name = "LangChain (Node), streamed"
    streamed = True


class Pi(NodeProgram):
    name = "pi"
    package = "pi"
    apis = ("chat", "responses", "messages")
    own = "bash"

    def prepare(self, place: Place) -> None:
        kind = {"chat": "openai-completions", "responses": "openai-responses", "messages": "anthropic-messages"}
        provider = {
            "baseUrl": place.url if place.api == "messages" else place.base_url,
            "api": kind[place.api],
            "apiKey": "any",
            "models": [{"id": name, "input": ["text", "image"], "reasoning": True} for name in ("gyre", "nope")],
        }
        place.write(".pi/agent/models.json", json.dumps({"providers": {"gyre": provider}}))
        place.write(".pi/agent/settings.json", json.dumps({"retry": {"enabled": False}}))

    def environment(self, place: Place) -> dict[str, str]:
        return {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        pi = self.entry("@earendil-works/pi-coding-agent", "dist/bundle/cli.js")
        how = ["--mode", "json"] if turn.streamed else ["-p"]
        resumed = ["--continue"] if turn.resumed else []
        return [self.node, pi, *how, "--provider", "gyre", "--model", turn.model, *resumed, turn.words]

    def streams(self, stdout: str) -> bool:
        return '"text_delta"' in stdout


class Promptfoo(NodeProgram):
    """An evaluation of one prompt; it takes a call's result for the answer, and never tells the policy of it."""

    name = "promptfoo"
    package = "promptfoo"
    apis = ("chat",)
    provider = "openai:chat"
    lacks: ClassVar = {"streamed": "never streams", "mixed": "ends at its call"}

    def tool(self) -> dict[str, object]:
        about = {"name": "weather", "description": "The weather.", "parameters": PARAMETERS}
        return {"type": "function", "function": about}

    def picture(self, data: str) -> dict[str, object]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    def text(self, words: str) -> dict[str, object]:
        return {"type": "text", "text": words}

    def base_url(self, place: Place) -> str:
        return place.base_url

    def prepare(self, place: Place) -> None:
        """Two providers, of which its command chooses by their labels."""
        config = {
            "apiBaseUrl": self.base_url(place),
            "apiKey": "any",
            "maxRetries": 0,
            "max_tokens": 500,
            "tools": [self.tool()],
            "functionToolCallbacks": {"weather": "async (asked) => `sunny in ${JSON.parse(asked).city}`"},
        }
        providers = [
            {
                "id": f"{self.provider}:{name.removesuffix(STREAMED)}",
                "label": name,
                "config": config | ({"stream": True} if name.endswith(STREAMED) else {}),
            }
            for name in ("gyre", f"gyre{STREAMED}", "nope")
        ]
        place.write("eval.json", json.dumps({"prompts": ["file://prompt.json"], "providers": providers}))
        place.write("prompt.json", json.dumps([*self.history(place), {"role": "user", "content": "{{words}}"}]))

    def history(self, place: Place) -> list[object]:
        picture = place.folder / "picture.png"
        if not picture.exists():
            return []
        look = [self.text("Look."), self.picture(base64.b64encode(picture.read_bytes()).decode())]
        return [{"role": "user", "content": look}, {"role": "assistant", "content": "I see."}]

    def environment(self, place: Place) -> dict[str, str]:
        return {f"PROMPTFOO_DISABLE_{what}": "1" for what in ("TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING")}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        flags = ["-c", place.home / "eval.json", "--no-cache", "--no-table", "--no-write", "-o", "said.json"]
        label = f"^{turn.model}{STREAMED if turn.streamed else ''}$"
        chosen = ["--filter-providers", label, "--var", f"words={turn.words}"]
        program = [self.node, self.entry("promptfoo", "dist/src/entrypoint.js"), "eval", *flags, *chosen]
        # It prints tables, which break words; its file does not.
        return ["sh", "-c", '"$@"; code=$?; cat said.json; exit $code', "sh", *program]


class PromptfooResponses(Promptfoo):
    apis = ("responses",)
    provider = "openai:responses"
    lacks: ClassVar = {"mixed": "ends at its call"}

    def tool(self) -> dict[str, object]:
        return {"type": "function", "name": "weather", "description": "The weather.", "parameters": PARAMETERS}

    def picture(self, data: str) -> dict[str, object]:
        return {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}

    def text(self, words: str) -> dict[str, object]:
        return {"type": "input_text", "text": words}


class PromptfooMessages(Promptfoo):
    apis = ("messages",)
    provider = "anthropic:messages"
    lacks: ClassVar = {"own_tool": "runs none", "mixed": "runs none"}

    def tool(self) -> dict[str, object]:
        return {"name": "weather", "description": "The weather.", "input_schema": PARAMETERS}

    def picture(self, data: str) -> dict[str, object]:
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    def base_url(self, place: Place) -> str:
        return place.url
