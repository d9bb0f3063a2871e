"""The programs the gateway is tested with: `IN_TEST` by `npm test`, the others by `npm run clients -- all`.

To add one is to describe it in a class here and to pin it: in package.json, or in NAME.lock (by hash; `npm test`) or
others/NAME.txt, of npm others/NAME/package.json. A library needs a file in `runners` too.
"""

import os

from program import Program

from .agents import ClaudeCode, Codex, OpenCode
from .evaluation import LmEval
from .frameworks import AgentFramework, Aider, Dspy, Inspect, Instructor, LlamaIndex, Llm, MiniSweAgent, ShellGpt
from .javascript import (
    AgentsJs,
    AgentsJsStreamed,
    AiSdk5,
    AiSdk5Streamed,
    LangChainJs,
    LangChainJsStreamed,
    Pi,
    Promptfoo,
    PromptfooMessages,
    PromptfooResponses,
)

IN_TEST: list[tuple[Program, tuple[str, ...]]] = [
    (Codex(), ("responses",)),
    (ClaudeCode(), ("messages",)),
    (Llm(), ("chat",)),
    (AiSdk5(), ("openai.responses", "anthropic")),
    (AgentsJs(), ("responses",)),
    (Inspect(), ("responses",)),
    (LlamaIndex(), ("chat", "responses")),
]
"""And over which of their APIs; the others take longer than they tell: a start of opencode is ten seconds of work."""

OTHERS: list[Program] = [
    OpenCode(),
    Inspect(),
    LlamaIndex(),
    ShellGpt(),
    Aider(),
    Dspy(),
    AgentFramework(),
    Instructor(),
    MiniSweAgent(),
    LmEval(),
    AiSdk5(),
    AiSdk5Streamed(),
    AgentsJs(),
    AgentsJsStreamed(),
    LangChainJs(),
    LangChainJsStreamed(),
    Pi(),
    Promptfoo(),
    PromptfooResponses(),
    PromptfooMessages(),
]


def chosen() -> list[tuple[Program, str]]:
    """What is to run: `GYRE_CLIENTS` is "all", or packages, or nothing for those of `npm test`."""
    asked = os.environ.get("GYRE_CLIENTS", "").split()
    tested = [(program, api) for program, apis in IN_TEST for api in apis]
    if not asked:
        return tested
    have = {(program.name, api) for program, api in tested}
    others = [(program, api) for program in OTHERS for api in program.apis if (program.name, api) not in have]
    return [one for one in tested + others if asked == ["all"] or one[0].package in asked]
