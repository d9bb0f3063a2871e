"""The serving engine as the trainer sees it: one supervised vLLM and the adapters it is wanted to hold.

The wanted set is on disk, because vLLM forgets its adapters when it restarts and the trainer must not.
"""

import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from gyre_trainer.config import Config
from gyre_trainer.contract.errors import ClientError, EngineError, TrainerError
from gyre_trainer.engine.client import EngineClient
from gyre_trainer.engine.command import BASE_NAME, argv, environment, has_gpu
from gyre_trainer.engine.supervisor import Command, Supervisor, Timing
from gyre_trainer.machine import durable
from gyre_trainer.weights import adapter


class Engine:
    """One vLLM for one model folder. Its methods may be called from any thread."""

    def __init__(
        self, config: Config, dtype: str, command: Command | None = None, timing: Timing | None = None
    ) -> None:
        self._config, self.dtype = config, dtype
        self._lock = threading.Lock()
        self._wanted_file = config.run / "loaded.json"
        self._wanted: set[int] = set(durable.read_json(self._wanted_file)) if self._wanted_file.is_file() else set()
        self._judges_file = config.run / "loaded_judges.json"
        self._judges: set[str] = set(durable.read_json(self._judges_file)) if self._judges_file.is_file() else set()
        self.model_config: dict[str, Any] = json.loads((config.model / "config.json").read_text())
        self._client: EngineClient | None = None
        self.refused: dict[int, str] = {}  # wanted adapters that could not be registered again, and why
        self.refused_judges: dict[str, str] = {}
        self.gpu = has_gpu()
        self.token = secrets.token_urlsafe(32)  # vLLM's own, known to it, to us and to whoever may ask our health
        start = command or self._command
        self.supervisor = Supervisor(
            lambda port: self._with_token(*start(port)),
            self._healthy,
            self._on_up,
            config.engine_log,
            config.run,
            timing,
        )

    def _command(self, port: int) -> tuple[list[str], dict[str, str]]:
        return argv(self._config, port, self.dtype, self.gpu), environment(dict(os.environ), self.gpu)

    def _with_token(self, argv: list[str], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        return argv, env | {"VLLM_API_KEY": self.token}

    def _healthy(self, url: str) -> bool:
        client = EngineClient(url, token=self.token)
        try:
            return client.healthy()
        finally:
            client.close()

    def _on_up(self, url: str) -> None:
        """Before the engine counts as ready: the slow first requests, then every wanted adapter again."""
        client = EngineClient(url, token=self.token)
        warm_up(client)
        self.refused = {}
        for version in sorted(self._wanted):
            try:
                client.load(adapter.name_of(version), str(self._directory(version)))
            except TrainerError as error:  # one bad adapter must not keep the base model from serving
                self.refused[version] = error.message
        self.refused_judges = {}
        for name in sorted(self._judges):
            try:
                client.load(name, str(self._judge_directory(name)))
            except TrainerError as error:
                self.refused_judges[name] = error.message
        if self._client is not None:
            self._client.close()
        self._client = client

    def _directory(self, version: int) -> Path:
        return adapter.check(self._config.adapters, version, self.model_config)

    @property
    def ready(self) -> bool:
        return self.supervisor.state == "ready"

    def client(self) -> EngineClient:
        """A client of the vLLM that is running. EngineError `engine_not_ready` (503) while there is none."""
        if not self.ready or self._client is None:
            state = self.supervisor.state
            raise EngineError("engine_not_ready", f"vLLM is {state}: {self.supervisor.detail or 'wait and retry'}", 503)
        return self._client

    def load(self, version: int) -> float:
        """Check the adapter's files, then register it in vLLM and remember it; returns seconds. Idempotent."""
        directory = self._directory(version)
        with self._lock:  # vLLM answers 400 to the second of two loads of one name
            seconds = self.client().load(adapter.name_of(version), str(directory))
            self._remember(self._wanted | {version})
        self.refused.pop(version, None)
        return seconds

    def unload(self, version: int) -> None:
        """Forget the version, on disk and in vLLM. Idempotent."""
        with self._lock:
            self._remember(self._wanted - {version})
            if self.ready:  # a vLLM that is down will come back without it
                self.client().unload(adapter.name_of(version))

    def load_judge(self, name: str) -> float:
        """The same for the adapter of a judge, which has a name of its own."""
        directory = self._judge_directory(name)
        with self._lock:
            seconds = self.client().load(name, str(directory))
            self._remember_judges(self._judges | {name})
        self.refused_judges.pop(name, None)
        return seconds

    def unload_judge(self, name: str) -> None:
        """Forget it, on disk and in vLLM. Idempotent."""
        with self._lock:
            self._remember_judges(self._judges - {name})
            if self.ready:
                self.client().unload(name)

    def _judge_directory(self, name: str) -> Path:
        directory = self._config.judges / name
        if not durable.is_published(directory):
            raise ClientError("no_such_judge", f"{directory} is not there as a whole; train it first", 404)
        return adapter.checked(directory, self.model_config)

    def _remember_judges(self, wanted: set[str]) -> None:
        self._judges = wanted
        durable.write_json(self._judges_file, sorted(wanted))

    def _remember(self, wanted: set[int]) -> None:
        self._wanted = wanted
        durable.write_json(self._wanted_file, sorted(wanted))

    def loaded(self) -> list[dict[str, Any]]:
        """The versions vLLM answers for, as CONTRACT.md has them in `/health`; empty while it is down."""
        versions = sorted(self._wanted - self.refused.keys()) if self.ready else []
        return [{"version": version, "name": adapter.name_of(version)} for version in versions]

    def loaded_judges(self) -> list[str]:
        """Names of judges' adapters that vLLM answers for; empty while it is down."""
        return sorted(self._judges - self.refused_judges.keys()) if self.ready else []

    def health(self) -> dict[str, Any]:
        """The `engine` part of `/health`."""
        s = self.supervisor
        told = {f"version {version}": why for version, why in self.refused.items()} | self.refused_judges
        refused = "; ".join(f"{what}: {why}" for what, why in told.items())
        return {
            "state": s.state,
            "url": s.url,
            "api_key": self.token,
            "pid": s.pid,
            "restarts": s.restarts,
            "detail": s.detail or refused,
            "dtype": self.dtype,
            "ready_seconds": s.ready_seconds,
        }


def warm_up(client: EngineClient) -> None:
    """The first request of each kind takes seconds (kernels, template, tool parser); users should not pay for it."""
    tool = {"type": "function", "function": {"name": "calculator", "parameters": {"type": "object", "properties": {}}}}
    messages = [{"role": "user", "content": "1 + 1"}]
    body = {"model": BASE_NAME, "messages": messages, "tools": [tool], "max_tokens": 4, "logprobs": True}
    client.post("/v1/chat/completions", body | {"return_token_ids": True})
    client.generate(BASE_NAME, client.tokenize("The quick brown fox. " * 20), 4, 0.7)
