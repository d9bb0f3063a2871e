"""A plugin of pytest for vLLM's own tests: their server is a gateway that runs already, and where they need vLLM itself
(its classes, its weights, its tokenizer) they are left out, with the reason.
"""

import ast
import importlib.machinery
import inspect
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

URL = os.environ["GYRE_SUITE_URL"]
STUBBED = ("vllm", "torch", "pybase64")

# By "file::test", or by the file alone: what cannot be asked of a gateway that has no such thing.
ENGINE = "is a check of the engine, which a script is not"
REACHES = "asks for what reaches into the engine; refused by name"
BACKGROUND = "background is refused by name"
LEFT_OUT: dict[str, str] = {
    "test_chat_completion.py::test_invalid_json_schema": ENGINE,
    "test_chat_completion.py::test_invalid_regex": ENGINE,
    "test_chat_completion.py::test_invalid_grammar": ENGINE,
    "test_chat_completion.py::test_empty_grammar": ENGINE,
    "test_chat.py::test_structured_outputs_type_error": ENGINE,
    "test_chat_logit_bias_validation.py": ENGINE,
    "test_chat_completion.py::test_kv_transfer_prompt_token_ids_round_trip": REACHES,
    "test_chat_completion.py::test_kv_transfer_prompt_token_ids_streaming": REACHES,
    "test_chat_echo.py": REACHES,
    "test_chat.py::test_prompt_logprobs_chat": REACHES,
    "test_chat.py::test_more_than_one_prompt_logprobs_chat": REACHES,
    "test_chat.py::test_custom_role": "has roles of its own, which no protocol of a gateway has",
    "test_chat.py::test_invocations": "is a route of SageMaker",
    "test_enable_force_include_usage.py": "is a flag of vLLM's command line",
    "test_simple.py::test_enable_response_messages": REACHES,
    "test_stateful.py::test_background": BACKGROUND,
    "test_stateful.py::test_background_error": BACKGROUND,
    "test_stateful.py::test_background_cancel": BACKGROUND,
    "test_stateful.py::test_cancel_completed": BACKGROUND,
    "test_chat.py::test_single_chat_session": "wants a usage of exactly three numbers",
    "test_chat.py::test_chat_streaming": "wants the last words in the chunk that says why it ends",
    "test_chat.py::test_chat_completion_stream_options": "wants the last words in the chunk that says why it ends",
    "test_structured_output.py": "is what a model understands of a text",
    "test_completion_with_function_calling.py::test_named_tool_use": "wants an empty text, not null",
    "test_messages.py::test_anthropic_streaming_cache_usage": "uses a parameter that Anthropic's library has no more",
}


class Stub(types.ModuleType):
    """Whatever is asked of it is there, and of no use."""

    __path__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Anything,), {})


class Anything(Exception):
    def __init__(self, *_args: Any, **_more: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return Anything


class Stubs:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] not in STUBBED:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> types.ModuleType:
        return Stub(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Server:
    """What vLLM's tests call `RemoteOpenAIServer`."""

    DUMMY_API_KEY = "any"
    url_root = URL

    def __init__(self, *_args: Any, **_more: Any) -> None:
        pass

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_fault: object) -> None:
        pass

    def url_for(self, *parts: str) -> str:
        return "/".join([URL, *parts])

    def get_client(self, **more: Any) -> Any:
        import openai

        return openai.OpenAI(base_url=self.url_for("v1"), api_key="any", max_retries=0, **more)

    def get_async_client(self, **more: Any) -> Any:
        import openai

        return openai.AsyncOpenAI(base_url=self.url_for("v1"), api_key="any", max_retries=0, **more)

    def get_client_anthropic(self, **more: Any) -> Any:
        import anthropic

        return anthropic.Anthropic(base_url=URL, api_key="any", max_retries=0, **more)

    def get_async_client_anthropic(self, **more: Any) -> Any:
        import anthropic

        return anthropic.AsyncAnthropic(base_url=URL, api_key="any", max_retries=0, **more)


sys.meta_path.insert(0, Stubs())  # type: ignore[arg-type]
utils = Stub("tests.utils")
utils.RemoteOpenAIServer = Server  # type: ignore[attr-defined]
utils.ROCM_EXTRA_ARGS = []  # type: ignore[attr-defined]
sys.modules["tests.utils"] = utils


def with_model(create: Any) -> Any:
    """vLLM takes a request without a model; here a model is named, as OpenAI's protocol has it."""

    async def asked(self: Any, *args: Any, **more: Any) -> Any:
        return await create(self, *args, **{"model": "gyre", **more})

    return asked


def patch() -> None:
    from openai.resources.responses import AsyncResponses

    for name in ("create", "parse"):
        setattr(AsyncResponses, name, with_model(getattr(AsyncResponses, name)))


patch()


def stubbed_names(module: types.ModuleType) -> set[str]:
    """What a test file imports of vLLM, by the names it uses."""
    tree = ast.parse(inspect.getsource(module))
    return {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0] in STUBBED
        for alias in node.names
    }


def needs(item: Any) -> str | None:
    file = Path(item.fspath).name
    test = item.originalname
    if "zephyr-lora" in item.name:
        return "names an adapter of vLLM's command line"
    for key in (f"{file}::{test}", file):
        if key in LEFT_OUT:
            return LEFT_OUT[key]
    used = {node.id for node in ast.walk(ast.parse(inspect.getsource(item.module))) if isinstance(node, ast.Name)}
    mine = stubbed_names(item.module) & used
    try:
        body = {node.id for node in ast.walk(ast.parse(_dedented(item.function))) if isinstance(node, ast.Name)}
    except SyntaxError:
        return None
    found = sorted(mine & body)
    return f"is about vLLM's own {', '.join(found)}" if found else None


def _dedented(function: Any) -> str:
    import textwrap

    return textwrap.dedent(inspect.getsource(function))


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        reason = needs(item)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
