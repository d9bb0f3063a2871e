"""The trainer's own state: a sequence of directories, the newest complete one is the head.

One directory holds the float32 adapter, Adam's moments and the batch it came from, and appears with one rename. That
rename is the commit of an update: before it the batch was not applied, after it the batch is applied, and whatever
was left to do (publish the adapter, load it, answer) is done again from here.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gyre_trainer.machine import durable

KEPT = 2  # the head and the one before it, for a look after an accident


@dataclass(frozen=True)
class Head:
    """What a checkpoint is of; head.json holds just these fields."""

    sequence: int
    version: int  # policy version whose weights these are
    rank: int
    alpha: int
    batch_id: str | None  # the batch that made it; None after a reset
    batch_digest: str | None
    metrics: dict[str, Any]


def newest(root: Path) -> tuple[Head, Path] | None:
    """The head and its directory; None before the first update or reset (policy version 0)."""
    complete = [path for path in directories(root) if durable.is_published(path)]
    if not complete:
        return None
    return Head(**json.loads((complete[-1] / "head.json").read_text())), complete[-1]


def directories(root: Path) -> list[Path]:
    """Every checkpoint's directory, oldest first, complete or not."""
    return sorted(path for path in root.iterdir() if path.name.isdigit()) if root.is_dir() else []


def commit(root: Path, head: Head, weights: dict[str, Any], optimizer: dict[str, Any] | None) -> None:
    """Make `head` the newest state. `weights` and `optimizer` are torch tensors and torch's optimizer state."""
    import torch
    from safetensors.torch import save_file

    def fill(directory: Path) -> None:
        save_file(weights, str(directory / "adapter.safetensors"))
        if optimizer is not None:
            torch.save(optimizer, directory / "optimizer.pt")
        (directory / "head.json").write_text(json.dumps(asdict(head)))

    durable.publish_directory(root / f"{head.sequence:08d}", fill)
    for old in directories(root)[:-KEPT]:
        shutil.rmtree(old)


def load(directory: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(adapter weights, optimizer state or None for a fresh Adam)."""
    import torch
    from safetensors.torch import load_file

    path = directory / "optimizer.pt"
    optimizer = torch.load(path, weights_only=True) if path.is_file() else None
    return load_file(str(directory / "adapter.safetensors")), optimizer
