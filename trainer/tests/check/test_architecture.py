"""Every architecture by its own forward pass: what is supported is exact, what is not is refused by its name."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from gyre_trainer.check import architecture
from gyre_trainer.contract.batch import Hyper
from gyre_trainer.learn import loss, tree
from gyre_trainer.weights import adapter, targets

WIDE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "vocab_size": 300,
}
ROPE3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 10000.0,
}
SUPPORTED: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama 3.1": {"model_type": "llama", "rope_parameters": ROPE3, "max_position_embeddings": 128},
    "qwen2": {},
    "qwen2 with windows": {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": 16,
        "max_window_layers": 2,
    },
    "qwen3": {},
    "qwen3_moe": {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "mistral": {"sliding_window": 4096},
    "mistral without a window": {"model_type": "mistral", "sliding_window": None},
    "gemma2": {"query_pre_attn_scalar": 16, "sliding_window": 4096},
    "gemma3_text": {"query_pre_attn_scalar": 16, "sliding_window": 512, "sliding_window_pattern": 2},
    "phi3": {"pad_token_id": 0, "sliding_window": 2047},
    "smollm3": {"pad_token_id": 0, "no_rope_layer_interval": 2},
    "olmo2": {},
    "granite": {"logits_scaling": 8.0, "residual_multiplier": 0.22, "embedding_multiplier": 12.0},
}


def config_of(name: str, changes: dict[str, Any]) -> Any:
    fields = WIDE | {key: value for key, value in changes.items() if key != "model_type"}
    return AutoConfig.for_model(changes.get("model_type", name), **fields)


@pytest.mark.parametrize("name", SUPPORTED)
def test_it_is_computed_as_the_model_itself_computes_it(name: str) -> None:
    assert architecture.fits(config_of(name, SUPPORTED[name])) is None


@pytest.mark.parametrize("name", SUPPORTED)
def test_its_gradients_are_those_of_its_own_forward_pass(name: str) -> None:
    own, twin = architecture.instance(config_of(name, SUPPORTED[name]))
    forest, actions = architecture.branches()
    values = own.logprobs(tree.plan(forest, 8), tree.targets(forest, actions))
    parameters = own.parameters()
    ours = dict(zip(parameters, torch.autograd.grad(values.sum(), list(parameters.values())), strict=True))
    for parameter in twin.parameters():
        parameter.requires_grad_(True)
    total = torch.zeros(())
    for action in actions:
        ids = torch.tensor([forest.tokens[n] for n in [*tree.ancestors(forest.parent, action.end), action.end]])
        logits = twin(input_ids=ids[None]).logits[0] / action.temperature
        total = total + logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[-action.length :].sum()
    places = sorted({key.rpartition(".lora_")[0] for key in ours})
    weights = [twin.get_submodule(place.removeprefix("base_model.model.")).weight for place in places]
    for place, gradient in zip(places, torch.autograd.grad(total, weights), strict=True):
        layer = own.model.get_submodule(place.removeprefix("base_model.model."))
        wanted = {"A": layer.scale * layer.lora_B.t() @ gradient, "B": layer.scale * gradient @ layer.lora_A.t()}
        for part, expected in wanted.items():
            found = ours[f"{place}.lora_{part}.weight"]
            assert (found - expected).abs().max() < 2e-3 * max(1.0, float(expected.detach().abs().max())), (place, part)


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_shapes_of_its_adapter_are_known_without_its_weights(name: str) -> None:
    config = config_of(name, SUPPORTED[name])
    small = architecture.small(config)
    own, _ = architecture.instance(config)
    found = {key: tuple(value.shape) for key, value in own.parameters().items()}
    assert adapter.expected_shapes(small.to_dict(), 4) == found


def test_of_experts_only_the_attention_is_trained() -> None:
    places = targets.sizes(config_of("qwen3_moe", SUPPORTED["qwen3_moe"]).to_dict())
    assert {place.split(".")[-2] for place in places} == {"self_attn"}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "gpt_oss": ({"num_local_experts": 4, "num_experts_per_tok": 2}, "s_aux"),
    "deepseek_v3": (
        {
            "num_key_value_heads": 8,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 16,
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "num_experts_per_tok": 2,
        },
        "is a linear layer that is not supported",
    ),
}


@pytest.mark.parametrize(
    ("name", "part"), [("mistral", "window"), ("gemma2", "softcap"), ("granite", "scale"), ("gemma3_text", "window")]
)
def test_without_what_it_needs_the_check_would_say_so(name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if part == "window":
        monkeypatch.setattr(tree.Plan, "within", lambda self, _: self.blocks)
    own, twin = architecture.instance(config_of(name, SUPPORTED[name]))
    if part == "softcap":
        own.head = replace(own.head, softcap=None)
    if part == "scale":
        own.head = replace(own.head, scale=1.0)
    assert architecture.gap(own, twin) > 10 * architecture.TOLERANCE


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_does_that_we_do_not_is_named(name: str) -> None:
    changes, why = REFUSED[name]
    said = architecture.fits(config_of(name, changes))
    assert said is not None and "is not supported" in said and why in said


def test_a_model_that_scales_its_logits_unseen_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def louder(self: Any, *given: Any, **named: Any) -> Any:
        output = forward(self, *given, **named)
        output.logits = output.logits * 1.5
        return output

    monkeypatch.setattr(LlamaForCausalLM, "forward", louder)
    said = architecture.fits(config_of("llama", {}))
    assert said is not None and "differ from its own by" in said


def test_updates_move_it() -> None:
    own, _ = architecture.instance(config_of("gemma2", SUPPORTED["gemma2"]))
    forest, actions = architecture.branches()
    wanted = tree.targets(forest, actions)
    plan, hyper = tree.plan(forest, 8), Hyper()
    optimiser = torch.optim.SGD(list(own.parameters().values()), lr=0.05)
    before = own.logprobs(plan, wanted).sum().item()
    for _ in range(3):
        values = own.logprobs(plan, wanted)
        tokens = loss.tokens_of(tuple(_with_mu(a, values.detach()) for a in actions), wanted.token_action, hyper)
        optimiser.zero_grad()
        loss.compute(values, tokens, hyper).value.backward()
        optimiser.step()
    assert own.logprobs(plan, wanted).sum().item() > before


def _with_mu(action: Any, values: torch.Tensor) -> Any:
    return replace(action, logprobs=tuple([float(values.mean())] * action.length))
