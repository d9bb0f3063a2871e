"""Which number format this machine is fast in: bfloat16 only with hardware for it *and* a measurement that agrees.

Run as a module it measures and prints JSON (it imports torch, so the service runs it in a process of its own).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gyre_trainer.machine import durable

HARDWARE = {"avx512_bf16", "amx_bf16"}


def cpu_flags() -> tuple[str, set[str]]:
    """(model name, flags) of the first core."""
    name, flags = "unknown", set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        if key.strip() == "flags":
            flags = set(value.split())
            break
    return name, flags


def measure() -> dict[str, float]:
    """Seconds of a decode-like and a prefill-like product in both formats (best of several, warm)."""
    import torch

    seconds: dict[str, float] = {}
    for label, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        total = 0.0
        for rows in (8, 256):
            x, weight = torch.randn(rows, 576).to(dtype), torch.randn(1536, 576).to(dtype)
            best = float("inf")
            for _ in range(12):
                started = time.perf_counter()
                for _ in range(4):
                    torch.nn.functional.linear(x, weight)
                best = min(best, time.perf_counter() - started)
            total += best
        seconds[label] = total
    return seconds


def choose(wanted: str, cache: Path, gpu: bool) -> tuple[str, str]:
    """(dtype, why). The measurement is kept in `cache`, so that only the first start pays for it."""
    if wanted != "auto":
        return wanted, "asked for"
    if gpu:
        return "bfloat16", "GPU"
    name, flags = cpu_flags()
    if not flags & HARDWARE:
        return "float32", f"{name} has neither AVX512-BF16 nor AMX"
    known: Any = durable.read_json(cache) if cache.is_file() else {}
    if known.get("cpu") != name:
        output = subprocess.run(
            [sys.executable, "-m", "gyre_trainer.machine.dtype_choice"], capture_output=True, text=True, check=True
        )
        known = {"cpu": name, "seconds": json.loads(output.stdout)}
        durable.write_json(cache, known)
    seconds = known["seconds"]
    faster = "bfloat16" if seconds["bfloat16"] <= seconds["float32"] else "float32"
    return faster, f"measured {seconds['bfloat16']:.2e} s in bfloat16, {seconds['float32']:.2e} s in float32"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()))
