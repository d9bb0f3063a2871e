"""Coding agents of npm."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from program import Place, Program, Turn, machine, npm_binary

from .of_npm import NodeProgram


class Codex(Program):
    name = "Codex CLI"
    package = "@openai/codex"
    apis = ("responses",)
    own = "exec_command"

    def prepare(self, place: Place) -> None:
        place.write(
            ".codex/config.toml",
            f"""
model_provider = "gyre"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.gyre]
name = "Gyre"
base_url = "{place.base_url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
""",
        )

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        binary = next(npm_binary(f"@openai/codex-{machine()}", "vendor").glob("*/bin/codex"))
        # Its own sandbox needs rights that a container may not give.
        flags = ["--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox", "-m", turn.model]
        return [binary, "exec", *(["resume", "--last"] if turn.resumed else []), *flags, turn.words]


class ClaudeCode(Program):
    name = "Claude Code"
    package = "@anthropic-ai/claude-code"
    apis = ("messages",)
    own = "Bash"
    # It has words of its own for a model that is not there.
    unknown = "an issue with the selected model (nope)"

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": place.url,
            "ANTHROPIC_API_KEY": "any",
            "ANTHROPIC_SMALL_FAST_MODEL": "gyre",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "DISABLE_AUTOUPDATER": "1",
            # It may run as root only where it is told that nothing can be harmed.
            "IS_SANDBOX": "1",
        }

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        binary = npm_binary(f"@anthropic-ai/claude-code-{machine()}", "claude")
        streamed = ["--output-format", "stream-json", "--include-partial-messages", "--verbose"]
        return [
            binary,
            "-p",
            "--dangerously-skip-permissions",
            "--model",
            turn.model,
            *(["--continue"] if turn.resumed else []),
            *(streamed if turn.streamed else []),
            turn.words,
        ]

    def streams(self, stdout: str) -> bool:
        return '"text_delta"' in stdout


class OpenCode(NodeProgram):
    name = "opencode"
    package = "opencode-ai"
    apis = ("chat", "responses", "messages")
    own = "bash"

    providers: ClassVar = {
        "chat": "@ai-sdk/openai-compatible",
        "responses": "@ai-sdk/openai",
        "messages": "@ai-sdk/anthropic",
    }

    def prepare(self, place: Place) -> None:
        provider = {
            "npm": self.providers[place.api],
            "name": "Gyre",
            "options": {"baseURL": place.base_url, "apiKey": "any"},
            "models": {
                name: {"name": name, "modalities": {"input": ["text", "image"], "output": ["text"]}}
                for name in ("gyre", "nope")
            },
        }
        settings = {
            "autoupdate": False,
            "share": "disabled",
            "small_model": "gyre/gyre",
            "permission": "allow",
            "enabled_providers": ["gyre"],
            "provider": {"gyre": provider},
        }
        place.write(".config/opencode/opencode.json", json.dumps(settings))

    def environment(self, place: Place) -> dict[str, str]:
        return {
            f"OPENCODE_DISABLE_{what}": "1"
            for what in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
        }

    @property
    def absent(self) -> str | None:
        return None if machine() == "linux-x64" else f"opencode is pinned for linux-x64 alone, this is {machine()}"

    @property
    def binary(self) -> Path:
        # The build for processors without AVX2 runs on all of them.
        return self.entry("opencode-linux-x64-baseline", "bin/opencode")

    @property
    def is_installed(self) -> bool:
        return self.binary.exists()

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        # With a title it asks the model for none.
        flags = ["--format", "json", "--title", "A test", "-m", f"gyre/{turn.model}"]
        return [self.binary, "run", *flags, *(["--continue"] if turn.resumed else []), turn.words]
