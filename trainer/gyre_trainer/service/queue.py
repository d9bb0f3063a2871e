"""What waits for the policy and what runs on it, one at a time.

Everything that touches weights is a job here, so two updates can never overlap. What must not wait behind an update
(loading an adapter into vLLM, a rollback's copy) does not come here.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

from gyre_trainer.contract import batch
from gyre_trainer.contract.errors import ClientError, TrainerError
from gyre_trainer.machine import memory
from gyre_trainer.service.head import HeadWeights
from gyre_trainer.service.records import Record, Records
from gyre_trainer.weights import adapter

Phase = Literal["starting", "loading_model", "ready", "training", "failed"]
Job = Callable[[Record], None]
MOST_ATTEMPTS = 2  # a batch that was cut off this often is likely what kills the process


class Queue:
    """The jobs, and what the trainer is doing (`phase`, `busy`, `detail`), which any thread may read."""

    def __init__(
        self, records: Records, weights: HeadWeights, limits: batch.Limits, adapters: Path, train: Job, publish: Job
    ) -> None:
        """`train` applies a record's batch and publishes it; `publish` only publishes what is already the head.
        Neither raises: what goes wrong is in the record."""
        self._records, self._weights, self._limits, self._adapters = records, weights, limits, adapters
        self._train, self._publish = train, publish
        self.phase: Phase = "starting"
        self.detail = ""  # why the phase is "failed"
        self.busy: Record | None = None
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue()
        self._submit_lock = threading.Lock()

    # ---- called from HTTP threads -----------------------------------------------------------------------------

    def submit(self, key: str | None, body: Any) -> tuple[Record, bool]:
        """(record, newly queued). The same body under the same key is never applied twice.

        `key` is the request's Idempotency-Key, `body` the decoded JSON. ClientError `batch_schema`, `batch_conflict`
        or `stale_base`; TrainerError `trainer_failed`.
        """
        self._require_working()
        digest = batch.digest(body)
        with self._submit_lock:
            known = (
                self._records.get(body["batch_id"])
                if isinstance(body, dict) and isinstance(body.get("batch_id"), str)
                else None
            )
            if known is not None:
                return self._known(known, digest, body)
            parsed = batch.parse(body, self._limits)
            if key != parsed.batch_id:
                raise ClientError(
                    "batch_schema", f"Idempotency-Key is {key!r}, batch_id is {parsed.batch_id!r}; send the same value"
                )
            self._require_fresh(parsed)
            record = Record(parsed.batch_id, digest, parsed.base_version, parsed.target_version)
            self._records.add(record, body)
            self._put(record, self._train)
            return record, True

    def _require_working(self) -> None:
        if self.phase == "failed":
            raise TrainerError(
                "trainer_failed", f"the trainer cannot train: {self.detail}; fix this and start it again", 503
            )

    def _known(self, record: Record, digest: str, body: Any) -> tuple[Record, bool]:
        if record.digest != digest:
            raise ClientError(
                "batch_conflict", f"{record.batch_id} was received before with another body; use a new batch_id", 409
            )
        if record.state == "failed" and record.error is not None and record.error["code"] == "interrupted":
            self._require_fresh(batch.parse(body, self._limits))
            record.state, record.error, record.attempts = "queued", None, 0
            self._records.add(record, body)
            self._put(record, self._train)
        return record, False

    def _require_fresh(self, parsed: batch.Batch) -> None:
        waiting = [r for r in self._records.unfinished() if r.batch_id != parsed.batch_id]
        head = waiting[-1].target_version if waiting else self._weights.head.version
        if parsed.base_version != head:
            raise ClientError(
                "stale_base",
                f"base_version is {parsed.base_version}, the trainer's head is {head}; rebuild on the head",
                409,
            )
        adapter.require_new(self._adapters, parsed.target_version)

    def call(self, job: Callable[[], Any]) -> "Future[Any]":
        """Run `job` on the learner's thread, after what is queued; the future gets its result or its exception."""
        self._require_working()
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(job())
            except Exception as error:  # the boundary of the queue: whoever waits for the future gets it
                future.set_exception(error)

        self._jobs.put(run)
        return future

    # ---- on the learner's thread ------------------------------------------------------------------------------

    def resume(self) -> None:
        """After a restart: finish the batch whose weights are the head, queue the others again, oldest first."""
        for record in self._records.unfinished():
            if self._weights.made_by(record):
                self._put(record, self._publish)
            elif record.attempts >= MOST_ATTEMPTS:
                message = f"training was cut off {record.attempts} times and nothing was applied; send the batch again"
                record.state, record.error = "failed", {"code": "interrupted", "message": message, "side": "trainer"}
                self._records.save(record)
            else:
                self._put(record, self._train)

    def _put(self, record: Record, job: Job) -> None:
        def run() -> None:
            self.phase, self.busy = "training", record
            try:
                job(record)
            finally:
                self.phase, self.busy = "ready", None
                memory.give_back()

        self._jobs.put(run)

    def work(self) -> None:
        """Run what waits, for as long as the process lives."""
        self.phase = "ready"
        while True:
            self._jobs.get()()

    def fail(self, error: Exception) -> None:
        """From now on nothing is accepted: this trainer cannot train."""
        self.phase, self.detail = "failed", f"{type(error).__name__}: {error}"
