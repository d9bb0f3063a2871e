"""The head to its users: adapter on disk, then in vLLM, then measured against the trainer's own numbers."""

import time
from collections.abc import Callable
from typing import Any

from gyre_trainer.config import Config
from gyre_trainer.contract import batch
from gyre_trainer.contract.errors import EngineError, known
from gyre_trainer.engine.engine import Engine
from gyre_trainer.service.head import HeadWeights
from gyre_trainer.service.records import Record, Records
from gyre_trainer.weights import adapter


class Publisher:
    """Publishes and measures, on the learner's thread."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        records: Records,
        weights: HeadWeights,
        limits: batch.Limits,
        crash: Callable[[str], None],
    ) -> None:
        """`crash` is called at named points, where tests kill the process."""
        self._config, self._engine, self._records, self._weights = config, engine, records, weights
        self._limits, self._crash = limits, crash

    def publish(self, record: Record) -> None:
        """Adapter directory, vLLM, probes, result. Every part can be repeated, so a restart simply runs it again.

        A failure goes into the record; the update itself is kept.
        """
        from gyre_trainer.check import probe

        head = self._weights.head
        try:
            record.state, record.progress = "publishing", 0.9
            self._records.save(record)
            published = self._write(record)
            self._crash("after_publish")
            result = {
                "version": head.version,
                "name": adapter.name_of(head.version),
                "path": str(self._config.adapters / adapter.name_of(head.version)),
                "metrics": head.metrics,
                "published_at": published,
            }
            parsed = batch.parse(self._records.body(record.batch_id), self._limits)
            states = probe.states_of(parsed, self._config.max_model_len)
            record.result = result | self._serve(head.version, published, states)
            record.state, record.progress = "done", 1.0
            self._records.save(record)
        except Exception as error:
            record.state, record.error = "failed", known(error, "publish_failed").body()["error"]
            record.error["message"] += f" (the update itself is kept: head is version {head.version})"
            self._records.save(record)

    def _write(self, record: Record) -> float:
        """The head as an adapter directory; the unix time at which it was marked."""
        policy = self._weights.policy
        weights = policy.snapshot()
        peft = adapter.peft_config(self._config.model, weights, policy.rank, policy.alpha)
        about = {"batch_id": record.batch_id, "base_version": record.base_version}
        return adapter.write(self._config.adapters, self._weights.head.version, weights, peft, about)

    def _serve(self, version: int, published: float, states: list[list[int]]) -> dict[str, Any]:
        """Load the version in vLLM and measure it; waits for a vLLM that is just restarting."""
        while True:
            try:
                seconds = self._engine.load(version)
                client = self._engine.client()
                client.generate(adapter.name_of(version), client.tokenize("1 + 1 ="), 1)
                first = time.time() - published
                return {"load_seconds": seconds, "first_token_seconds": first} | self.measure(version, states)
            except EngineError as error:
                if error.status != 503:
                    raise
                time.sleep(0.5)

    def measure(self, version: int, states: list[list[int]] | None = None) -> dict[str, Any]:
        """Parity and difference from the base for the weights now in memory, which must be those of `version`.

        `states` are prompts as token ids; without any, the fixed ones of the probe.
        """
        from gyre_trainer.check import probe

        name = adapter.name_of(version) if version else "base"
        dtypes = {self._engine.dtype, self._weights.dtype}
        parity, moved = probe.parity(self._engine.client(), name, self._weights.policy, dtypes, states)
        return {"parity": parity.body(), "differs_from_base": moved}
