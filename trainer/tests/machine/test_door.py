"""The token of a service on loopback, and what of our environment its children get."""

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gyre_trainer.machine.door import RequireToken, own_token
from gyre_trainer.machine.environment import allowed

TOKEN = "a-token-of-32-bytes"


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def ask(path: str, headers: list[tuple[str, str]], method: str = "POST") -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(RequireToken(inner, TOKEN))
        async with httpx.AsyncClient(transport=transport, base_url="http://trainer") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(go())


@pytest.mark.parametrize("path", ["/health", "/v1/batches", "/tokenize", "/invocations", "/", "/nowhere"])
def test_no_route_answers_without_the_token(path: str) -> None:
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        refused = ask(path, [], method)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "bad_token"
        assert ask(path, [("authorization", f"Bearer {TOKEN}")], method).text == "in"


@pytest.mark.parametrize(
    "sent",
    ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}"],
)
def test_what_is_almost_the_token_is_refused(sent: str) -> None:
    assert ask("/v1/head", [("authorization", sent)]).status_code == 401


def test_of_two_tokens_none_is_taken() -> None:
    both = [("authorization", "Bearer wrong"), ("authorization", f"Bearer {TOKEN}")]
    assert ask("/v1/head", both).status_code == 401
    assert ask("/v1/head", both[::-1]).status_code == 401


def test_a_websocket_is_closed_and_the_lifespan_passes() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def go(kind: str) -> None:
        await RequireToken(inner, TOKEN)({"type": kind, "headers": []}, None, send)  # type: ignore[arg-type]

    asyncio.run(go("websocket"))
    assert sent == ["websocket.close"]
    asyncio.run(go("lifespan"))
    assert sent[1:] == ["http.response.start", "http.response.body"]


def test_there_is_no_door_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    with pytest.raises(KeyError):
        RequireToken(inner)
    with pytest.raises(ValueError, match="empty"):
        RequireToken(inner, "")


def test_the_gateways_token_is_taken_and_no_child_inherits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYRE_TRAINER_TOKEN", " given ")
    assert own_token(tmp_path / "token") == "given"
    assert "GYRE_TRAINER_TOKEN" not in os.environ and not (tmp_path / "token").exists()


def test_a_trainer_by_hand_leaves_a_token_of_its_own_for_this_user_alone(tmp_path: Path) -> None:
    script = "import os; os.umask(0o077); import pathlib, sys; from gyre_trainer.machine.door import own_token\n"
    script += "print(own_token(pathlib.Path(sys.argv[1])))"
    file = tmp_path / "run" / "trainer_token"
    run = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True)
    assert len(file.read_text()) >= 40 and run.stdout.strip() == file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_child_gets_what_its_libraries_need_and_no_secret_that_lies_beside_it() -> None:
    needed = {
        **{"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "TMPDIR": "/t", "LD_LIBRARY_PATH": "/l", "PYTHONPATH": "/p"},
        **{
            "CUDA_VISIBLE_DEVICES": "0",
            "NVIDIA_VISIBLE_DEVICES": "all",
            "NCCL_DEBUG": "x",
            "TORCHINDUCTOR_CACHE_DIR": "/c",
        },
        **{
            "VLLM_CPU_KVCACHE_SPACE": "2",
            "HF_HOME": "/h",
            "OMP_NUM_THREADS": "2",
            "XDG_CACHE_HOME": "/x",
        },
        **{"https_proxy": "http://p", "NO_PROXY": "*", "SSL_CERT_FILE": "/ca"},
    }
    secret = {
        **{"OPENAI_API_KEY": "s", "ANTHROPIC_API_KEY": "s", "AWS_SECRET_ACCESS_KEY": "s", "DATABASE_URL": "s"},
        **{"GYRE_TRAINER_TOKEN": "s", "GYRE_ENGINE_KEY": "s", "VLLM_API_KEY": "s", "GITHUB_TOKEN": "s", "MY_PATH": "s"},
        **{"NVIDIA_API_KEY": "s", "HF_TOKEN": "s", "HUGGINGFACE_API_TOKEN": "s", "RAY_REDIS_PASSWORD": "s"},
        **{"TORCH_HUB_apikey": "s", "NCCL_SECRET": "s", "TRANSFORMERS_ACCESS_KEY": "s", "CUDA_CREDENTIALS": "s"},
    }
    assert allowed(needed | secret) == needed
