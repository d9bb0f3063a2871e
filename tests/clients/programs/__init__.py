"""The programs the gateway is tested with: `IN_TEST` by `npm test`, the others by `npm run clients -- all`.

To add one is to describe it in a class here and to pin it: in package.json, or in NAME.lock (by hash; `npm test`) or
others/NAME.txt. A library needs a file in `runners` too.
"""

import os

from program import Program

from .agents import ClaudeCode, Codex, OpenCode
from .frameworks import Aider, Dspy, Inspect, LlamaIndex, Llm, ShellGpt

IN_TEST: list[tuple[Program, tuple[str, ...]]] = [
    (Codex(), ("responses",)),
    (ClaudeCode(), ("messages",)),
    (OpenCode(), ("chat",)),
    (Llm(), ("chat",)),
    (Inspect(), ("chat", "responses", "messages")),
    (LlamaIndex(), ("chat", "responses")),
]
"""And over which of their APIs: a start of opencode takes seconds, and two others cover these."""

OTHERS: list[Program] = [OpenCode(), ShellGpt(), Aider(), Dspy()]


def chosen() -> list[tuple[Program, str]]:
    """What is to run: `GYRE_CLIENTS` is "all", or names, or nothing for those of `npm test`."""
    asked = os.environ.get("GYRE_CLIENTS", "")
    tested = [(program, api) for program, apis in IN_TEST for api in apis]
    more = [(program, api) for program in OTHERS for api in program.apis]
    is_asked = asked == "all"
    wanted = [one for one in more if is_asked or one[0].package in asked.split()]
    return tested + [one for one in wanted if (one[0].name, one[1]) not in {(p.name, api) for p, api in tested}]
