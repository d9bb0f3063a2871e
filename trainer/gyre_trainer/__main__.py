"""Command line: `python -m gyre_trainer convert|tiny|serve`. Heavy imports wait until a command needs them."""

import argparse
import os
from pathlib import Path


def main() -> int:
    os.umask(0o077)  # conversations, weights made of them and tokens are for this user alone
    parser = argparse.ArgumentParser(prog="gyre_trainer", description="Gyre's trainer and vLLM supervisor")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("convert", "packaged GGUF -> safetensors folder"), ("tiny", "random tiny model, for tests")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--out", type=Path, required=True, help="folder to create (kept if complete)")
        command.add_argument("--gguf", type=Path, help="another GGUF file of a llama model")
        if name == "convert":
            command.add_argument("--tiny", action="store_true", help="the same as the command tiny")
    from gyre_trainer import config

    config.add_arguments(commands.add_parser("serve", help="supervise vLLM and apply batches (CONTRACT.md)"))
    args = parser.parse_args()
    if args.command == "serve":
        from gyre_trainer.service.process import serve

        return serve(config.from_arguments(args))
    from gyre_trainer.weights import convert

    if args.command == "tiny" or args.tiny:
        convert.convert_tiny(args.out, args.gguf)
    else:
        convert.convert(args.out, args.gguf)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
