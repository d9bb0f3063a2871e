"""Which weights are the head: the policy in memory, its optimiser, and their newest checkpoint on disk.

Only the learner's thread calls the methods here, so two of them never overlap; `head` may be read by any thread.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gyre_trainer.config import Config
from gyre_trainer.contract.batch import Batch
from gyre_trainer.contract.errors import ClientError, TrainerError
from gyre_trainer.learn import checkpoint
from gyre_trainer.service.records import Record
from gyre_trainer.weights import adapter

if TYPE_CHECKING:
    from gyre_trainer.learn.policy import Policy
    from gyre_trainer.learn.update import Optimizer

SEED = 7  # of the adapter that changes nothing; the first batch brings its own
UNTRAINED = checkpoint.Head(0, 0, 16, 32, None, None, {})  # the base: version 0


class HeadWeights:
    """The policy in memory and the head it is of."""

    def __init__(self, config: Config, model_config: dict[str, Any], dtype: str) -> None:
        """`model_config` is the model's config.json; `dtype` names the torch format of the frozen base."""
        self._config, self._model_config, self.dtype = config, model_config, dtype
        found = checkpoint.newest(config.state)
        self.head = found[0] if found else UNTRAINED
        self.device = "cpu"
        self._policy: Policy | None = None
        self._optimizer: Optimizer | None = None

    def load(self, device: str) -> None:
        """Build the policy on `device` ("cpu" or "cuda") in the head's shape, with the head's weights."""
        self.device = device
        self._build(self.head.rank, self.head.alpha)
        self.restore()

    def _build(self, rank: int, alpha: int) -> None:
        import torch

        from gyre_trainer.learn import policy

        dtype = getattr(torch, self.dtype)
        self._policy = None  # two base models need not fit side by side
        self._policy = policy.build(
            lambda: policy.load_base(self._config.model, dtype, self.device), rank, alpha, self.device, SEED
        )

    @property
    def policy(self) -> "Policy":
        """The policy, which is the head outside of a job; TrainerError `model_not_loaded` (503) before `load`."""
        if self._policy is None:
            raise TrainerError("model_not_loaded", "the trainer's model is not loaded; wait and retry", 503)
        return self._policy

    def made_by(self, record: Record) -> bool:
        """Whether this very batch was applied last: its weights are the head, and only publishing can be left."""
        return record.batch_id == self.head.batch_id and record.digest == self.head.batch_digest

    def fitting(self, batch: Batch) -> "tuple[Policy, Optimizer]":
        """Policy and optimiser for the batch's adapter shape; the shape can change only while nothing is trained.

        ClientError `rank_mismatch` (409) if it differs from a trained head's.
        """
        from gyre_trainer.learn import update

        wanted, own = (batch.hyper.rank, batch.hyper.alpha), (self.policy.rank, self.policy.alpha)
        if self.head.version == 0:
            if wanted != own:
                self._build(*wanted)
            self.policy.reset(batch.hyper.seed)
            self._optimizer = update.optimizer_for(self.policy, None)
        elif wanted != own:
            raise ClientError(
                "rank_mismatch",
                f"rank and alpha {wanted} differ from the head's {own}; keep them or reset the head to 0",
                409,
            )
        assert self._optimizer is not None
        return self.policy, self._optimizer

    def commit(self, record: Record, metrics: dict[str, Any]) -> None:
        """Make the weights in memory, which `record`'s batch left there, the head; exactly once, by one rename."""
        assert self._optimizer is not None
        moments = self._optimizer.adam.state_dict()
        self._commit(record.target_version, record.batch_id, record.digest, metrics, moments)

    def _commit(
        self,
        version: int,
        batch_id: str | None,
        digest: str | None,
        metrics: dict[str, Any],
        moments: dict[str, Any] | None,
    ) -> None:
        policy = self.policy
        head = checkpoint.Head(self.head.sequence + 1, version, policy.rank, policy.alpha, batch_id, digest, metrics)
        checkpoint.commit(self._config.state, head, policy.snapshot(), moments)
        self.head = head

    def restore(self) -> None:
        """Put the head's weights and Adam moments back into memory."""
        from gyre_trainer.learn import update

        found = checkpoint.newest(self._config.state)
        if found is None:
            self.policy.reset(SEED)
            self._optimizer = update.optimizer_for(self.policy, None)
        else:
            weights, moments = checkpoint.load(found[1])
            self.policy.load(weights)
            self._optimizer = update.optimizer_for(self.policy, moments)

    def with_version(self, version: int, job: Callable[[], Any]) -> Any:
        """Run `job` with the weights of `version` in the policy, then put the head back."""
        if version == self.head.version:
            return job()
        try:
            self._take(version)
            return job()
        finally:
            self.restore()

    def lend(self, rank: int, alpha: int, job: Callable[["Policy"], None]) -> None:
        """Run `job` with the model in the shape of another adapter, whose weights are its own matter; then put the
        head back.
        """
        own = (self.policy.rank, self.policy.alpha)
        try:
            self.policy.reshape(rank, alpha)
            job(self.policy)
        finally:
            self.policy.reshape(*own)
            self.restore()

    def _take(self, version: int) -> None:
        if version == 0:
            self.policy.reset(SEED)  # B is zero: the base
            return
        weights = adapter.read(self._config.adapters, version, self._model_config)
        try:
            self.policy.load(weights)
        except ValueError as error:
            raise ClientError("rank_mismatch", f"version {version}: {error}", 409) from None

    def reset(self, version: int, weights_of: int) -> None:
        """Continue training from the weights of `weights_of` under version number `version`, with a fresh Adam."""
        if self.head.version == version and self.head.batch_id is None and version != weights_of:
            return  # asked again for a rollback that is done
        self._take(weights_of)
        self._commit(version, None, None, {}, None)
        self.restore()
