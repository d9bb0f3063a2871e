"""Copies of adapter versions, for rollback: older weights under a new number. No torch, so it never waits for it."""

import json
import time
from pathlib import Path
from typing import Any

from gyre_trainer.contract.errors import ClientError
from gyre_trainer.machine import durable
from gyre_trainer.weights import adapter


def copy(root: Path, version: int, copy_of: int, model: Path, model_config: dict[str, Any]) -> Path:
    """Directory of `version` with the weights of `copy_of` (0 = an adapter that changes nothing). Idempotent.

    A number already used for something else is refused: versions only grow.
    """
    target = root / adapter.name_of(version)
    if durable.is_published(target):
        manifest = json.loads((target / "manifest.json").read_text())
        if manifest.get("copy_of") != copy_of:
            raise ClientError(
                "version_exists", f"{target.name} already holds something else than a copy of {copy_of}", 409
            )
        return target
    if copy_of == 0:
        weights = adapter.null_weights(model_config, 16)
        adapter.write(root, version, weights, adapter.peft_config(model, weights, 16, 32), {"copy_of": 0})
        return target
    source = adapter.check(root, copy_of, model_config)

    def fill(directory: Path) -> None:
        for name in (adapter.WEIGHTS, "adapter_config.json"):
            (directory / name).write_bytes((source / name).read_bytes())
        manifest = {
            "schema": "gyre.adapter/1",
            "version": version,
            "name": target.name,
            "created_at": time.time(),
            "copy_of": copy_of,
        }
        (directory / "manifest.json").write_text(json.dumps(manifest, indent=1))

    durable.publish_directory(target, fill)
    return target
