"""The trainer's whole configuration: one frozen record, parsed once from the command line and passed as a value."""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Config:
    """What `serve` was started with; the folders below `data` are its properties."""

    host: str
    port: int  # 0 = any free port; the chosen one is printed
    data: Path
    model: Path
    template: Path | None  # None = the chat template inside the model folder
    dtype: str  # of the engine
    train_dtype: str  # of the trainer's frozen base weights; adapters are always float32
    engine_args: dict[str, Any]  # extra vLLM flags, {"max-num-seqs": 32}; true = flag without value, null = drop ours
    max_model_len: int  # tokens
    parent_pid: int | None
    token: str = field(default="", repr=False)  # what every request has to bring; empty = no door, for tests

    @property
    def adapters(self) -> Path:
        return self.data / "adapters"

    @property
    def judges(self) -> Path:
        return self.data / "judges"

    @property
    def state(self) -> Path:
        return self.data / "trainer" / "state"

    @property
    def batches(self) -> Path:
        return self.data / "trainer" / "batches"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def token_file(self) -> Path:
        return self.run / "trainer_token"

    @property
    def engine_log(self) -> Path:
        return self.data / "logs" / "vllm.log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `serve` (CONTRACT.md)."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port (default)")
    parser.add_argument("--data", type=Path, required=True, help="folder for adapters, state, logs")
    parser.add_argument("--model", type=Path, required=True, help="model folder (see convert)")
    parser.add_argument("--template", type=Path, help="chat template file (default: the model folder's)")
    parser.add_argument("--dtype", choices=DTYPES, default="auto", help="engine weights")
    parser.add_argument("--train-dtype", choices=DTYPES, default="auto", help="frozen base weights of the trainer")
    parser.add_argument("--engine-args", type=json.loads, default={}, help='JSON, e.g. {"max-num-seqs": 32}')
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--parent-pid", type=int, help="end everything when this process is gone")


def from_arguments(args: argparse.Namespace) -> Config:
    """The parsed flags, paths made absolute. SystemExit with a sentence if a file or a flag cannot be used."""
    if not isinstance(args.engine_args, dict):
        raise SystemExit(
            f"--engine-args must be a JSON object such as '{{\"max-num-seqs\": 32}}', got {args.engine_args!r}"
        )
    for path in [args.model / "config.json", *([args.template] if args.template else [])]:
        if not path.is_file():
            raise SystemExit(
                f"{path} does not exist; make a model folder with: python -m gyre_trainer convert --out DIR"
            )
    return Config(
        host=args.host,
        port=args.port,
        data=args.data.resolve(),
        model=args.model.resolve(),
        template=args.template.resolve() if args.template else None,
        dtype=args.dtype,
        train_dtype=args.train_dtype,
        engine_args=args.engine_args,
        max_model_len=args.max_model_len,
        parent_pid=args.parent_pid,
    )
