"""A batch onto the policy: from a queued record to weights that are the head, or to a failed record and old weights."""

from collections.abc import Callable

from gyre_trainer.contract import batch
from gyre_trainer.contract.errors import ClientError, known
from gyre_trainer.machine import priority
from gyre_trainer.service.head import HeadWeights
from gyre_trainer.service.records import Record, Records


class Applier:
    """Applies one batch after the other, on the learner's thread."""

    def __init__(
        self, records: Records, weights: HeadWeights, limits: batch.Limits, crash: Callable[[str], None]
    ) -> None:
        """`crash` is called at named points, where tests kill the process."""
        self._records, self._weights, self._limits, self._crash = records, weights, limits, crash
        self._pool = priority.left_over_time()

    def apply(self, record: Record) -> bool:
        """Whether the batch is applied. If not, the record says why and the head's weights are back in memory."""
        from gyre_trainer.learn import update

        weights = self._weights
        try:
            parsed = batch.parse(self._records.body(record.batch_id), self._limits)
            if parsed.base_version != weights.head.version:
                raise ClientError(
                    "stale_base",
                    f"base_version is {parsed.base_version}, the head moved to {weights.head.version}",
                    409,
                )
            record.state, record.attempts = "training", record.attempts + 1
            self._records.save(record)
            self._crash("before_update")
            policy, optimizer = weights.fitting(parsed)

            def progress(share: float) -> None:
                record.progress = 0.9 * share

            pool = self._pool if weights.device == "cpu" else None
            metrics = priority.run(pool, lambda: update.update(policy, optimizer, parsed, progress))
            self._crash("before_commit")
            weights.commit(record, metrics)
            self._crash("after_commit")
        except Exception as error:
            record.state, record.error = "failed", known(error, "update_failed").body()["error"]
            self._records.save(record)
            weights.restore()  # an update that failed half-way must leave no trace in memory either
            return False
        return True
