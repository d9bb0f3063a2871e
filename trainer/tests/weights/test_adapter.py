"""Adapter directories: PEFT reads what we write, and a damaged one is refused by name before vLLM sees it."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from gyre_trainer.contract.errors import ClientError
from gyre_trainer.learn import policy, score
from gyre_trainer.machine import durable
from gyre_trainer.weights import adapter, versions


@pytest.fixture
def config(tiny_model: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tiny_model / "config.json").read_text())
    return loaded


@pytest.fixture
def root(tmp_path: Path, tiny_model: Path, config: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    weights = {name: torch.randn(shape) * 0.1 for name, shape in adapter.expected_shapes(config, 4).items()}
    adapter.write(tmp_path, 5, weights, adapter.peft_config(tiny_model, weights, 4, 8), {"batch_id": "b"})
    return tmp_path


def test_a_written_adapter_is_read_back_exactly_and_has_a_manifest(root: Path, config: dict[str, Any]) -> None:
    assert adapter.published_versions(root) == [5]
    assert adapter.read(root, 5, config).keys() == adapter.expected_shapes(config, 4).keys()
    manifest = json.loads((root / "gyre-v000005" / "manifest.json").read_text())
    assert (manifest["version"], manifest["batch_id"], manifest["name"]) == (5, "b", "gyre-v000005")


def test_peft_itself_computes_the_same_log_probabilities_from_our_files(
    root: Path, tiny_model: Path, config: dict[str, Any]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    peft_model = PeftModel.from_pretrained(reference, root / "gyre-v000005")
    own = policy.build(lambda: policy.load_base(tiny_model, torch.float32, "cpu"), 4, 8, "cpu", 1)
    own.load(adapter.read(root, 5, config))
    prompt, completion = [5, 6, 7], [8, 9, 10, 11]
    with torch.no_grad():
        logits = peft_model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    wanted = [logits[2 + i, token].item() for i, token in enumerate(completion)]
    assert score.score(own, [(prompt, completion, 1.0)])[0] == pytest.approx(wanted, abs=1e-4)


def test_a_copy_has_the_same_bytes_under_a_new_number(root: Path, tiny_model: Path, config: dict[str, Any]) -> None:
    path = versions.copy(root, 9, 5, tiny_model, config)
    assert (path / adapter.WEIGHTS).read_bytes() == (root / "gyre-v000005" / adapter.WEIGHTS).read_bytes()
    assert json.loads((path / "manifest.json").read_text())["copy_of"] == 5
    assert versions.copy(root, 9, 5, tiny_model, config) == path
    with pytest.raises(ClientError, match="something else"):
        versions.copy(root, 9, 0, tiny_model, config)


def test_a_copy_of_the_base_changes_nothing_but_can_still_learn(
    root: Path, tiny_model: Path, config: dict[str, Any]
) -> None:
    versions.copy(root, 10, 0, tiny_model, config)
    weights = adapter.read(root, 10, config)
    assert all(bool(t.any()) == ("lora_A" in name) for name, t in weights.items())


def truncate(directory: Path) -> None:
    path = directory / adapter.WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def reshape(directory: Path) -> None:
    path = directory / adapter.WEIGHTS
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = data[8 : 8 + length].replace(b'"shape":[4,64]', b'"shape":[2,128]', 1)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])


@pytest.mark.parametrize(
    ("damage", "code", "says"),
    [
        (truncate, "corrupt_adapter", "truncated"),
        (reshape, "corrupt_adapter", "the model needs"),
        (lambda d: (d / adapter.WEIGHTS).write_bytes(b"\x00" * 50), "corrupt_adapter", "adapter_model.safetensors"),
        (lambda d: (d / adapter.WEIGHTS).unlink(), "corrupt_adapter", "unreadable"),
        (lambda d: (d / "adapter_config.json").write_text("{"), "corrupt_adapter", "adapter_config.json"),
        (lambda d: (d / durable.MARKER).unlink(), "no_such_version", "STABLE"),
        (lambda d: shutil.rmtree(d), "no_such_version", "does not exist"),
    ],
)
def test_a_damaged_adapter_is_refused_with_file_and_reason(
    root: Path, config: dict[str, Any], damage: Any, code: str, says: str
) -> None:
    damage(root / "gyre-v000005")
    with pytest.raises(ClientError) as caught:
        adapter.check(root, 5, config)
    assert caught.value.code == code and says in caught.value.message and "gyre-v000005" in caught.value.message
    assert caught.value.status == (404 if code == "no_such_version" else 422)
