"""What only `npm run clients -- all` installs from npm."""

from collections.abc import Sequence
from pathlib import Path

from program import NodeLibrary, Place, Turn


class AiSdk5(NodeLibrary):
    name = "AI SDK 5"
    package = "ai-sdk-5"
    apis = ("chat", "responses")
    runner = "ai_sdk_5"


class AgentsJs(NodeLibrary):
    name = "OpenAI Agents SDK (Node)"
    package = "openai-agents-js"
    apis = ("chat", "responses")
    runner = "openai_agents_js"


class LangChainJs(NodeLibrary):
    name = "LangChain (Node)"
    package = "langchain-js"
    apis = ("chat", "responses")
    runner = "langchain_js"


class Promptfoo(NodeLibrary):
    name = "promptfoo"
    package = "promptfoo"
    apis = ("chat", "responses", "messages")
    scenes = ("plain", "server_tool", "error", "engine_that_breaks")

    def prepare(self, place: Place) -> None:
        """Two providers of one configuration: its command chooses by their labels."""
        kind = {"chat": "openai:chat", "responses": "openai:responses", "messages": "anthropic:messages"}[place.api]
        base = place.url if place.api == "messages" else place.base_url
        providers = "".join(
            f"- id: {kind}:{name}\n  label: {name}\n  config: {{apiBaseUrl: '{base}', apiKey: any, maxRetries: 0}}\n"
            for name in ("gyre", "nope")
        )
        place.write("eval.yaml", f"prompts: ['{{{{words}}}}']\nproviders:\n{providers}")

    def environment(self, place: Place) -> dict[str, str]:
        off = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING")
        return {f"PROMPTFOO_DISABLE_{what}": "1" for what in off} | {"ANTHROPIC_BASE_URL": place.url}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        flags = ["-c", str(place.home / "eval.yaml"), "--no-cache", "--no-table", "--no-write", "-o", "said.json"]
        chosen = ["--filter-providers", f"^{turn.model}$", "--var", f"words={turn.words}"]
        binary = self.modules / ".bin" / "promptfoo"
        # It prints tables, which break words; its file does not.
        return ["sh", "-c", '"$@"; code=$?; cat said.json; exit $code', "sh", binary, "eval", *flags, *chosen]
