"""The routes of CONTRACT.md over HTTP: shapes, codes, and errors that name their side."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import config_for, first_batch, service, started
from gyre_trainer.service.app import create_app


class Client:
    """Blocking calls into the app without a socket."""

    def __init__(self, app: Any) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://trainer") as client:
                return await client.request(method, path, json=body, headers=headers)

        return asyncio.run(go())


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Client]:
    """One service for all tests of this file; only one of them moves the head."""
    with started(tmp_path_factory.mktemp("app"), tiny_model) as (engine, learner, config):
        yield Client(create_app(config, engine, learner))


def test_health_has_every_field_of_the_contract(call: Client) -> None:
    health = call("GET", "/health").json()
    for key in ("status", "pid", "uptime_s", "phase", "engine", "model", "head", "loaded", "self_check", "busy"):
        assert key in health
    assert {"state", "url", "pid", "restarts", "detail"} <= health["engine"].keys()
    wanted = {"path", "dtype", "device", "template_hash", "tokenizer_hash", "eos_token_ids", "max_model_len"}
    assert wanted <= health["model"].keys() and health["model"]["eos_token_ids"] == [2]
    assert health["phase"] == "ready" and health["head"] >= 0 and health["self_check"]["tree_parity"] == "ok"


def test_a_batch_goes_from_202_to_done_and_a_repeat_is_200(call: Client, golden: dict[str, Any]) -> None:
    body = first_batch(golden)
    sent = call("POST", "/v1/batches", body, **{"Idempotency-Key": "bat_one"})
    assert (sent.status_code, sent.json()) == (202, {"batch_id": "bat_one", "state": "queued"})
    deadline = time.monotonic() + 60
    while (state := call("GET", "/v1/batches/bat_one").json())["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert state["state"] == "done", state
    wanted = {
        "version",
        "name",
        "path",
        "metrics",
        "published_at",
        "load_seconds",
        "first_token_seconds",
        "parity",
        "differs_from_base",
    }
    assert wanted <= state["result"].keys()
    assert {"mean_abs", "max_abs", "n_tokens", "tolerance", "passed"} == state["result"]["parity"].keys()
    again = call("POST", "/v1/batches", body, **{"Idempotency-Key": "bat_one"})
    assert again.status_code == 200 and again.json()["state"] == "done"
    assert call("GET", "/health").json()["head"] == 1

    assert call("POST", "/v1/versions", {"version": 7, "copy_of": 1}).json()["name"] == "gyre-v000007"
    assert call("POST", "/v1/adapters/7/unload").status_code == 200
    assert call("POST", "/v1/adapters/7/unload").status_code == 200
    assert call("POST", "/v1/versions", {"version": 6, "copy_of": 1}).status_code == 200
    assert 6 in [held["version"] for held in call("GET", "/health").json()["loaded"]]
    assert call("DELETE", "/v1/adapters/6").json() == {"name": "gyre-v000006", "removed": True}
    assert 6 not in [held["version"] for held in call("GET", "/health").json()["loaded"]]
    assert call("DELETE", "/v1/adapters/6").json()["removed"] is False
    assert call("POST", "/v1/adapters/6/load").json()["error"]["code"] == "no_such_version"
    assert call("DELETE", "/v1/adapters/1").json()["error"]["code"] == "version_in_use"
    assert call("POST", "/v1/adapters/7/load").json()["loaded"] is True
    assert call("POST", "/v1/head", {"version": 7}).json() == {"head": 7}
    scores = call("POST", "/v1/logprobs", {"version": 0, "sequences": [{"prompt": [1, 2], "completion": [3]}]}).json()
    assert len(scores["logprobs"][0]) == 1 and scores["logprobs"][0][0] < 0
    assert {"mean_abs", "passed"} <= call("POST", "/v1/parity", {"version": 7}).json().keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/batches", {"schema": "gyre.batch/9"}, 422, "batch_schema"),
        ("POST", "/v1/batches", [1], 400, "bad_json"),
        ("GET", "/v1/batches/nope", None, 404, "no_such_batch"),
        ("POST", "/v1/adapters/99/load", {}, 404, "no_such_version"),
        ("POST", "/v1/versions", {"version": 5, "copy_of": 4}, 404, "no_such_version"),
        ("POST", "/v1/versions", {"version": 0, "copy_of": 4}, 422, "bad_version"),
        ("POST", "/v1/head", {"version": 44}, 404, "no_such_version"),
        (
            "POST",
            "/v1/logprobs",
            {"version": 0, "sequences": [{"prompt": [], "completion": [1]}]},
            422,
            "bad_sequences",
        ),
        (
            "POST",
            "/v1/logprobs",
            {"version": 0, "sequences": [{"prompt": [1], "completion": [10**6]}]},
            422,
            "bad_sequences",
        ),
    ],
)
def test_a_bad_request_is_the_clients_fault_and_says_so(
    call: Client, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = call(method, path, body)
    assert answer.status_code == status and answer.json()["error"]["code"] == code
    assert answer.json()["error"]["side"] == "client" and answer.json()["error"]["message"]


def test_a_batch_sampled_with_another_template_is_refused(call: Client, golden: dict[str, Any]) -> None:
    answer = call("POST", "/v1/batches", golden, **{"Idempotency-Key": golden["batch_id"]})
    assert answer.status_code == 422 and answer.json()["error"]["code"] == "template_mismatch"


def test_a_trainer_with_a_token_refuses_every_route_without_it(tmp_path: Path, tiny_model: Path) -> None:
    engine, learner = service(tmp_path, tiny_model)
    config = dataclasses.replace(config_for(tmp_path, tiny_model), token="secret")
    ask = Client(create_app(config, engine, learner))
    for method, path in [("GET", "/health"), ("POST", "/v1/batches"), ("POST", "/v1/head"), ("GET", "/nowhere")]:
        assert ask(method, path).status_code == 401
        assert ask(method, path, authorization="Bearer wrong").status_code == 401
    assert ask("GET", "/health", authorization="Bearer secret").status_code == 200
    assert "secret" not in repr(config)
