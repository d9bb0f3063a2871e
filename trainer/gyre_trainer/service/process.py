"""`gyre_trainer serve`: wires config, engine, learner and HTTP together and ends them in reverse order."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gyre_trainer.check import supported
from gyre_trainer.config import Config
from gyre_trainer.engine import supervisor
from gyre_trainer.engine.command import has_gpu
from gyre_trainer.machine import dtype_choice, memory
from gyre_trainer.machine.door import own_token

if TYPE_CHECKING:
    import uvicorn

UNSUPPORTED = 78  # EX_CONFIG of sysexits.h: to be started again helps nothing
# torch's OpenMP threads must sleep between updates: a spinning thread takes a core from vLLM.
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}


def serve(config: Config) -> int:
    """Run until SIGTERM, SIGINT or the parent's end, then end vLLM; leaves the process with code 0.

    A model that is not supported: the reason on stderr, and `UNSUPPORTED`.
    """
    import uvicorn

    config = dataclasses.replace(config, token=own_token(config.token_file))
    memory.keep_heap()  # before there are threads: each existing one would keep an arena of its own
    os.environ.update({**QUIET_THREADS, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    for folder in (config.adapters, config.judges, config.state, config.batches, config.run, config.engine_log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    unsupported = supported.refusal(config.model, config.run / "supported.json")
    if unsupported is not None:  # before anything is served: its numbers would be wrong without an error
        sys.stderr.write(unsupported + "\n")
        return UNSUPPORTED
    listener = socket.create_server((config.host, config.port))
    port = listener.getsockname()[1]
    gpu = has_gpu()
    dtype, why = dtype_choice.choose(config.dtype, config.run / "dtype.json", gpu)
    train_dtype = dtype if config.train_dtype == "auto" else config.train_dtype
    sys.stderr.write(f"engine dtype {dtype} ({why}), trainer dtype {train_dtype}\n")

    from gyre_trainer.engine.engine import Engine
    from gyre_trainer.service.app import create_app
    from gyre_trainer.service.learner import Learner

    engine = Engine(config, dtype)
    learner = Learner(config, engine, train_dtype)
    server = uvicorn.Server(uvicorn.Config(create_app(config, engine, learner), log_level="warning", access_log=False))

    def stop(*_: object) -> None:
        server.should_exit = True

    if config.parent_pid is not None:
        supervisor.parent_watch(config.parent_pid, stop)
    engine.supervisor.start()
    learner.start()
    try:
        with own_signals(stop):
            asyncio.run(run(server, listener, f"http://{config.host}:{port}"))
    finally:
        engine.supervisor.stop()
    sys.stdout.flush()
    os._exit(0)  # an update in flight is not waited for: state is committed by rename only, so it is safe to drop


async def run(server: "uvicorn.Server", listener: socket.socket, url: str) -> None:
    """Serve until `should_exit`; announces the address once requests are accepted."""

    async def announce() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        sys.stdout.write(f"listening {url}\n")
        sys.stdout.flush()

    await asyncio.gather(server.serve(sockets=[listener]), announce())


@contextlib.contextmanager
def own_signals(stop: Callable[..., None]) -> Iterator[None]:
    """SIGTERM and SIGINT ask the server to end. uvicorn raises what it caught once more when it is done, and that
    must meet our handler, not the default one: vLLM still has to be ended."""
    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler if number == signal.SIGINT else signal.SIG_IGN)
