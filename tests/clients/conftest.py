"""One gateway process for all clients; it ends when we do, by its standard input."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seen import Seen

GATEWAY = Path(__file__).parents[2] / "build" / "tests" / "clients" / "gateway.js"

# No client is to ask anything of the network but the gateway, and that directly.
os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
os.environ.update(
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    OPENAI_AGENTS_DISABLE_TRACING="1",
    LANGSMITH_TRACING="false",
    HF_HUB_OFFLINE="1",
)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Seen]:
    process = subprocess.Popen(["node", str(GATEWAY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, f"{GATEWAY} did not start: npm test -- clients compiles it"
        yield Seen(**json.loads(said))
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture
def seen(gateway: Seen) -> Seen:
    gateway.start()
    return gateway
