"""What is known of each batch, on disk: DIR/trainer/batches/<batch_id>.json, and the body as received beside it.

The record is replaced in one step at every change of state; progress lives in memory only, bodies on disk only.
A body is what people said, as token ids: it goes with the last step it is needed for, so that a conversation deleted
in the gateway is not kept here.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gyre_trainer.machine import durable

State = Literal["queued", "training", "publishing", "done", "failed"]
BODY = ".body.json"  # a batch id holds no dot, so this never meets a record's name
UNFINISHED: tuple[State, ...] = ("queued", "training", "publishing")


@dataclass
class Record:
    """One batch: who it is, how far it got, and how it ended."""

    batch_id: str
    digest: str  # of the body
    base_version: int
    target_version: int
    state: State = "queued"
    attempts: int = 0  # times training began; more than one means that an earlier try was cut off
    progress: float = 0.0
    error: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    received_at: float = field(default_factory=time.time)

    def answer(self) -> dict[str, Any]:
        """The record as GET /v1/batches/{id} shows it."""
        shown: dict[str, Any] = {"batch_id": self.batch_id, "state": self.state, "progress": round(self.progress, 3)}
        if self.error is not None:
            shown["error"] = self.error
        if self.result is not None:
            shown["result"] = self.result
        return shown


class Records:
    """The records below `root`, read once; every change goes to disk before it counts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Record] = {}
        if root.is_dir():
            for left in root.glob(".*.tmp"):
                left.unlink()  # of a write that a kill cut off
            for path in sorted(root.glob("*.json")):
                if not path.name.endswith(BODY):
                    record = Record(**durable.read_json(path))
                    self._known[record.batch_id] = record
                    self._forget_body(record)  # it was final, and the process ended before its body went

    def get(self, batch_id: str) -> Record | None:
        return self._known.get(batch_id)

    def add(self, record: Record, body: dict[str, Any]) -> None:
        """Body first: a record without its body could not be resumed after a crash."""
        durable.write_json(self._root / (record.batch_id + BODY), body)
        self.save(record)

    def body(self, batch_id: str) -> dict[str, Any]:
        """The body as received, while the batch is unfinished; FileNotFoundError after."""
        found: dict[str, Any] = durable.read_json(self._root / (batch_id + BODY))
        return found

    def save(self, record: Record) -> None:
        """Write the record; with the last state its body goes."""
        durable.write_json(self._root / f"{record.batch_id}.json", asdict(record))
        self._known[record.batch_id] = record
        self._forget_body(record)

    def _forget_body(self, record: Record) -> None:
        if record.state not in UNFINISHED:
            durable.remove(self._root / (record.batch_id + BODY))

    def unfinished(self) -> list[Record]:
        """Oldest first."""
        return sorted((r for r in self._known.values() if r.state in UNFINISHED), key=lambda r: r.received_at)
