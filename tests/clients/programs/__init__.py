"""The programs the gateway is tested with: `IN_TEST` by `npm test`, the others by `npm run clients -- all`."""

from program import Program

from .agents import ClaudeCode, Codex, OpenCode
from .frameworks import Inspect, LlamaIndex, Llm

IN_TEST: list[Program] = [Codex(), ClaudeCode(), OpenCode(), Llm(), Inspect(), LlamaIndex()]


def chosen() -> list[Program]:
    return IN_TEST
