"""Whether the model in a folder is computed right, asked once of each model and remembered: it takes some seconds."""

import hashlib
from pathlib import Path

from gyre_trainer.machine import durable

RECIPE = 1  # raised when what is supported changes


def refusal(model: Path, cache: Path) -> str | None:
    """None, or a sentence on what of the model is not supported. `cache` is a file of ours."""
    text = (model / "config.json").read_bytes()
    key = hashlib.sha256(b"%d %s %s" % (RECIPE, version_of("transformers").encode(), text)).hexdigest()
    if cache.is_file():
        known = durable.read_json(cache)
        if known.get("key") == key and known.get("refusal") is None:
            return None

    from transformers import AutoConfig

    from gyre_trainer.check import architecture

    try:
        config = AutoConfig.from_pretrained(str(model), local_files_only=True)
    except (ValueError, OSError) as error:
        return f"the model in {model} is not supported: {str(error).splitlines()[0]}"
    said = architecture.fits(config)
    durable.write_json(cache, {"key": key, "refusal": said})
    return said


def version_of(package: str) -> str:
    """Of an installed package, without importing it."""
    from importlib.metadata import version

    return version(package)
