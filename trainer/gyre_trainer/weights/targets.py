"""Which linear layers of a model get an adapter, told by the layers themselves: no formula knows every architecture."""

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# By the names that the supported models give them: fused ones as they are, since vLLM puts adapters on them so.
MODULES = (
    "q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj",
    "gate_proj", "up_proj", "gate_up_proj", "down_proj",
)  # fmt: skip
# They choose experts, and stay as they are; so do the experts, which are no linear layers.
FROZEN = ("gate", "router")


def targets(model: "torch.nn.Module") -> dict[str, "torch.nn.Linear"]:
    """The linear layers that get an adapter, by place: all of attention, and of MLPs that each token goes through.

    The output head and embeddings stay frozen (vLLM needs that). ValueError names a linear layer of which nobody knows
    what it is: without it an adapter would be partial.
    """
    import torch

    found: dict[str, torch.nn.Linear] = {}
    for place, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or ".layers." not in place or ".experts." in place:
            continue
        name = place.rpartition(".")[2]
        if name in MODULES:
            found[place] = module
        elif name not in FROZEN:
            raise ValueError(f"{place} of {type(model).__name__} is a linear layer that is not supported")
    if not found:
        raise ValueError(f"{type(model).__name__} has no linear layer named {', '.join(MODULES)}")
    return found


def sizes(model_config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each target of the model whose config.json this is; nothing is allocated."""
    return dict(_sizes(json.dumps(dict(model_config), sort_keys=True)))


@functools.lru_cache(maxsize=8)
def _sizes(config: str) -> tuple[tuple[str, tuple[int, int]], ...]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = json.loads(config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(fields.pop("model_type"), **fields))
    return tuple((place, (layer.in_features, layer.out_features)) for place, layer in targets(model).items())
