"""Adapter directories: PEFT format, float32, written whole and checked before anything loads them.

The check reads the safetensors header itself, so a truncated or foreign file is named as such before vLLM sees it:
vLLM would answer 500, or serve base output silently when module names do not match.
"""

import json
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gyre_trainer.contract.errors import ClientError, TrainerError
from gyre_trainer.machine import durable
from gyre_trainer.weights import targets

WEIGHTS = "adapter_model.safetensors"

Shapes = dict[str, tuple[int, ...]]


def name_of(version: int) -> str:
    """The name of a version, as a directory and in vLLM."""
    return f"gyre-v{version:06d}"


def expected_shapes(model_config: Mapping[str, Any], rank: int) -> Shapes:
    """Tensor names and shapes of a LoRA on every target of the model: A [rank, in], B [out, rank]."""
    shapes: Shapes = {}
    for place, (inputs, outputs) in targets.sizes(model_config).items():
        shapes[f"base_model.model.{place}.lora_A.weight"] = (rank, inputs)
        shapes[f"base_model.model.{place}.lora_B.weight"] = (outputs, rank)
    return shapes


def peft_config(model: Path, weights: Iterable[str], rank: int, alpha: int) -> dict[str, Any]:
    """adapter_config.json of a LoRA with tensors of these names on the model in folder `model`."""
    modules = {name.removesuffix(".weight").split(".")[-2] for name in weights}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(model),
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": [name for name in targets.MODULES if name in modules],
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
        "inference_mode": True,
    }


def write(root: Path, version: int, weights: Mapping[str, Any], config: dict[str, Any], about: dict[str, Any]) -> float:
    """Publish directory `gyre-v...` under `root` from float32 torch tensors; returns the moment its marker was there.

    `about` goes into manifest.json. A directory already published stays as it is, so a repeated call is harmless.
    """
    return write_to(root / name_of(version), weights, config, {"version": version} | about)


def write_to(target: Path, weights: Mapping[str, Any], config: dict[str, Any], about: dict[str, Any]) -> float:
    """The same for an adapter of any name, which is the directory's."""
    from safetensors.torch import save_file

    if not durable.is_published(target):

        def fill(directory: Path) -> None:
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, str(directory / WEIGHTS))
            (directory / "adapter_config.json").write_text(json.dumps(config, indent=1))
            manifest = {"schema": "gyre.adapter/1", "name": target.name, "created_at": time.time()}
            (directory / "manifest.json").write_text(json.dumps(manifest | about, indent=1))

        durable.publish_directory(target, fill)
    return (target / durable.MARKER).stat().st_mtime


def check(root: Path, version: int, model_config: Mapping[str, Any]) -> Path:
    """The adapter's directory if it is complete and fits the model; ClientError no_such_version or corrupt_adapter."""
    directory = root / name_of(version)
    if not durable.is_published(directory):
        left = "has no STABLE marker, so it was never finished" if directory.is_dir() else "does not exist"
        raise ClientError("no_such_version", f"{directory} {left}; train or copy version {version} first", 404)
    return checked(directory, model_config)


def checked(directory: Path, model_config: Mapping[str, Any]) -> Path:
    """The directory of a published adapter if its tensors are those of the model; ClientError corrupt_adapter."""
    try:
        config = json.loads((directory / "adapter_config.json").read_text())
        rank = int(config["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise corrupt(directory / "adapter_config.json", f"unreadable: {error!r}") from None
    found = read_shapes(directory / WEIGHTS)
    wanted = expected_shapes(model_config, rank)
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found or name not in wanted:
            raise corrupt(
                directory / WEIGHTS, f"tensor {name} is {'missing' if name in wanted else 'not of this model'}"
            )
        if found[name] != wanted[name]:
            raise corrupt(directory / WEIGHTS, f"tensor {name} has shape {found[name]}, the model needs {wanted[name]}")
    return directory


def read_shapes(path: Path) -> Shapes:
    """Names and shapes from a safetensors header, after proving that the file holds all the bytes it promises."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size:
                raise corrupt(path, f"truncated: header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if end != size:
            raise corrupt(path, f"truncated or padded: {size} bytes on disk, {end} expected")
        return {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise corrupt(path, f"unreadable: {error!r}") from None


def corrupt(path: Path, reason: str) -> ClientError:
    """The error (422) that names the file and what is wrong with it."""
    return ClientError(
        "corrupt_adapter", f"{path}: {reason}; nothing was loaded, restore the file or use another version"
    )


def read(root: Path, version: int, model_config: Mapping[str, Any]) -> dict[str, Any]:
    """Checked float32 torch tensors of a version."""
    return read_from(check(root, version, model_config))


def read_from(directory: Path) -> dict[str, Any]:
    """The same of a directory that is checked."""
    from safetensors.torch import load_file

    weights: dict[str, Any] = load_file(str(directory / WEIGHTS))
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise corrupt(directory / WEIGHTS, f"tensor {name} holds non-finite numbers")
    return {name: tensor.float() for name, tensor in weights.items()}


def null_weights(model_config: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """The adapter that changes nothing: B zero. A is not, because with both zero it could never learn again."""
    import torch

    generator = torch.Generator().manual_seed(7)
    return {
        name: torch.randn(shape, generator=generator) * 0.02 if "lora_A" in name else torch.zeros(shape)
        for name, shape in expected_shapes(model_config, rank).items()
    }


def published_versions(root: Path) -> list[int]:
    """Numbers of the complete versions below `root`, lowest first."""
    if not root.is_dir():
        return []
    names = [path.name for path in root.iterdir() if path.name.startswith("gyre-v") and durable.is_published(path)]
    return sorted(int(name.removeprefix("gyre-v")) for name in names if name.removeprefix("gyre-v").isdigit())


def require_new(root: Path, version: int) -> None:
    """TrainerError `version_exists` (409) if the version is published already."""
    if durable.is_published(root / name_of(version)):
        raise TrainerError("version_exists", f"{name_of(version)} already exists; policy versions only grow", 409)
