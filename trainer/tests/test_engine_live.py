"""The whole service with a real vLLM on a tiny random model: pytest -m engine (one to two minutes)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import wait_for
from gyre_trainer.engine import process_record

pytestmark = pytest.mark.engine


class Live:
    def __init__(self, process: "subprocess.Popen[str]", data: Path) -> None:
        self.process, self.data = process, data
        assert process.stdout is not None
        self.url = process.stdout.readline().removeprefix("listening ").strip()
        token = (data / "run" / "trainer_token").read_text()  # it was started by hand, without one
        self.http = httpx.Client(timeout=120, trust_env=False, headers={"authorization": f"Bearer {token}"})

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.url + "/health").json()
        return found

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(self.url + path, json=body, headers=headers)

    def engine(self, path: str, body: Any) -> dict[str, Any]:
        known = self.health()["engine"]
        headers = {"authorization": f"Bearer {known['api_key']}"}
        answer = self.http.post(known["url"] + path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    data = tmp_path_factory.mktemp("live")
    argv = [
        sys.executable,
        "-m",
        "gyre_trainer",
        "serve",
        "--data",
        str(data),
        "--model",
        str(tiny_model),
        "--dtype",
        "float32",
    ]
    with (data / "trainer.log").open("w") as log:
        process = subprocess.Popen([*argv, "--max-model-len", "512"], stdout=subprocess.PIPE, stderr=log, text=True)
        service = Live(process, data)
        try:
            wait_for(lambda: service.health()["phase"] in ("ready", "failed"), 400)
            yield service
        finally:
            process.terminate()
            process.wait(60)


def test_both_self_checks_pass(live: Live) -> None:
    assert live.health()["self_check"] == {"grouped_lora": "ok", "tree_parity": "ok"}, live.health()


def test_chat_returns_token_ids_and_the_sampled_log_probabilities(live: Live) -> None:
    body = {
        "model": "base",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "logprobs": True,
        "return_token_ids": True,
    }
    answer = live.engine("/v1/chat/completions", body | {"temperature": 0.7})
    choice = answer["choices"][0]
    assert len(choice["token_ids"]) == len(choice["logprobs"]["content"]) == answer["usage"]["completion_tokens"]
    assert len(answer["prompt_token_ids"]) == answer["usage"]["prompt_tokens"]


def test_neither_answers_whoever_has_no_token_and_vllm_answers_no_page(live: Live) -> None:
    url = live.health()["engine"]["url"]
    for address in (
        live.url + "/health",
        live.url + "/v1/head",
        url + "/v1/models",
        url + "/tokenize",
        url + "/health",
    ):
        assert httpx.get(address, trust_env=False).status_code == 401, address
    key = live.health()["engine"]["api_key"]
    headers = {"authorization": f"Bearer {key}", "origin": "https://evil.example"}
    answer = httpx.get(url + "/v1/models", headers=headers, trust_env=False)
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


def sampled_batch(live: Live, batch_id: str, base: int, target: int) -> dict[str, Any]:
    """Four samples of one state from the engine, as a trie, with the engine's own mu."""
    prompt = list(range(100, 140))
    body = {
        "model": f"gyre-v{base:06d}" if base else "base",
        "prompt": prompt,
        "max_tokens": 12,
        "n": 4,
        "temperature": 0.7,
    }
    choices = live.engine(
        "/v1/completions", body | {"logprobs": 0, "return_token_ids": True, "ignore_eos": True, "seed": 3}
    )["choices"]
    tokens, parent = list(prompt), list(range(-1, len(prompt) - 1))
    children: dict[tuple[int, int], int] = {}
    paths = []
    for choice in choices:
        path = [len(prompt) - 1]
        for token in choice["token_ids"]:
            path.append(children.setdefault((path[-1], token), -1 - len(paths)))
            if path[-1] < 0:  # new: numbered when first met, and a new branch is always met after the old ones
                children[(path[-2], token)] = path[-1] = len(tokens)
                tokens.append(token)
                parent.append(path[-2])
        paths.append(path)
    actions = [
        {
            "id": f"smp_{i}",
            "end": path[-1],
            "length": 12,
            "temperature": 0.7,
            "logprobs": choice["logprobs"]["token_logprobs"],
        }
        | {"advantage": (-1.0) ** i, "weight": 1.0}
        for i, (path, choice) in enumerate(zip(paths, choices, strict=True))
    ]
    return {
        "schema": "gyre.batch/1",
        "batch_id": batch_id,
        "mode": "resample",
        "base_version": base,
        "target_version": target,
        "model": {"template_hash": live.health()["model"]["template_hash"], "max_token_id": 49151},
        "hyper": {"learning_rate": 0.01, "kl_bound": 1000},
        "tree": {"tokens": tokens, "parent": parent},
        "actions": actions,
        "counts": {"logical_tokens": 4 * 52, "distinct_tokens": len(tokens), "actions": 4},
    }


def train(live: Live, body: dict[str, Any]) -> dict[str, Any]:
    sent = live.post("/v1/batches", body, **{"Idempotency-Key": body["batch_id"]})
    assert sent.status_code == 202, sent.text
    url = f"{live.url}/v1/batches/{body['batch_id']}"
    wait_for(lambda: live.http.get(url).json()["state"] in ("done", "failed"), 120)
    found: dict[str, Any] = live.http.get(url).json()
    return found


def test_two_updates_on_engine_samples_agree_with_the_engine(live: Live) -> None:
    for base in (0, 1):
        state = train(live, sampled_batch(live, f"bat_{base}", base, base + 1))
        assert state["state"] == "done", state
        result, metrics = state["result"], state["result"]["metrics"]
        assert metrics["mean_abs_logprob_gap"] < 1e-3 and metrics["ratio_mean"] == pytest.approx(1, abs=1e-3)
        assert metrics["vetoed"] == 0 and metrics["computed_per_distinct"] == 1.0
        assert result["parity"]["passed"] and result["parity"]["mean_abs"] < 1e-3
        assert result["differs_from_base"] > 1e-4


def test_base_answers_the_same_beside_the_adapter(live: Live) -> None:
    parity = live.post("/v1/parity", {"version": 0}).json()
    assert parity["passed"] and parity["differs_from_base"] == 0.0


def test_a_truncated_adapter_is_refused_and_nothing_else_changes(live: Live) -> None:
    assert live.post("/v1/versions", {"version": 9, "copy_of": 1}).status_code == 200
    assert live.post("/v1/adapters/9/unload", {}).status_code == 200
    weights = live.data / "adapters" / "gyre-v000009" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    before = live.health()["loaded"]
    answer = live.post("/v1/adapters/9/load", {})
    assert answer.status_code == 422 and "truncated" in answer.json()["error"]["message"]
    assert live.health()["loaded"] == before


def test_a_killed_vllm_comes_back_with_its_adapters(live: Live) -> None:
    first = live.health()["engine"]["pid"]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: live.health()["engine"]["pid"] != first and live.health()["engine"]["state"] == "ready", 400)
    assert {entry["version"] for entry in live.health()["loaded"]} == {1, 2}
    body = {"model": "gyre-v000002", "prompt": [100, 101], "max_tokens": 1}
    assert live.engine("/v1/completions", body)["choices"]
    assert live.health()["engine"]["restarts"] == 1


def test_kill_9_of_the_trainer_takes_vllm_with_it_and_term_exits_cleanly(live: Live, tiny_model: Path) -> None:
    family = process_record.recorded(live.data / "run" / "children.json")
    assert len(family) >= 3 and all(process_record.alive(process) for process in family)
    live.process.terminate()
    assert live.process.wait(60) == 0
    assert not any(process_record.alive(process) for process in family)
    log = live.data / "second.log"
    argv = [
        sys.executable,
        "-m",
        "gyre_trainer",
        "serve",
        "--data",
        str(live.data),
        "--model",
        str(tiny_model),
        "--dtype",
        "float32",
    ]
    with log.open("w") as out:
        second = subprocess.Popen(argv, stdout=out, stderr=out)
        children = live.data / "run" / "children.json"
        wait_for(lambda: len(json.loads(children.read_text())) > 0, 60)
        time.sleep(5)
        family = process_record.recorded(children)
        family += [p for f in family for p in process_record.descendants(f.pid)]
        second.kill()
        second.wait()
    wait_for(lambda: not any(process_record.alive(process) for process in family), 60)
