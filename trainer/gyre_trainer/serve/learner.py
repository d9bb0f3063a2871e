"""The one thread that owns the policy: it loads the model, checks itself, applies batches and publishes versions.

Everything that touches weights is a job in its queue, so two updates can never overlap. What must not wait behind an
update (loading an adapter, a rollback) does not come here.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from gyre_trainer import adapter, checkpoint, engine_command
from gyre_trainer.config import Config
from gyre_trainer.contract import batch
from gyre_trainer.contract.errors import ClientError, EngineError, TrainerError
from gyre_trainer.engine import Engine
from gyre_trainer.machine import memory, priority
from gyre_trainer.serve.records import Record, Records

if TYPE_CHECKING:
    from gyre_trainer.policy import Policy
    from gyre_trainer.update import Optimizer

Phase = Literal["starting", "loading_model", "ready", "training", "failed"]
MOST_ATTEMPTS = 2  # a batch that was cut off this often is likely what kills the process


class Learner:
    def __init__(
        self, config: Config, engine: Engine, train_dtype: str, crash: Callable[[str], None] = lambda _: None
    ) -> None:
        self._config, self._engine, self.train_dtype = config, engine, train_dtype
        self._crash = crash  # tests kill the process at named points
        self.records = Records(config.batches)
        found = checkpoint.newest(config.state)
        self.head = found[0] if found else checkpoint.Head(0, 0, 16, 32, None, None, {})
        self.phase: Phase = "starting"
        self.busy: Record | None = None
        self.detail = ""
        self.device = "cpu"
        self._pool: ThreadPoolExecutor | None = None
        self.self_check = {"grouped_lora": "pending", "tree_parity": "pending"}
        self._policy: Policy | None = None
        self._optimizer: Optimizer | None = None
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue()
        self._submit_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # ---- called from HTTP threads -----------------------------------------------------------------------------

    def submit(self, key: str | None, body: Any) -> tuple[Record, bool]:
        """(record, newly queued). The same body under the same key is never applied twice."""
        self._require_working()
        digest = batch.digest(body)
        with self._submit_lock:
            known = (
                self.records.get(body["batch_id"])
                if isinstance(body, dict) and isinstance(body.get("batch_id"), str)
                else None
            )
            if known is not None:
                return self._known(known, digest, body)
            parsed = self._parse(body)
            if key != parsed.batch_id:
                raise ClientError(
                    "batch_schema", f"Idempotency-Key is {key!r}, batch_id is {parsed.batch_id!r}; send the same value"
                )
            self._require_fresh(parsed)
            record = Record(parsed.batch_id, digest, parsed.base_version, parsed.target_version)
            self.records.add(record, body)
            self._jobs.put(lambda: self._train(record))
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
            self._require_fresh(self._parse(body))
            record.state, record.error, record.attempts = "queued", None, 0
            self.records.add(record, body)
            self._jobs.put(lambda: self._train(record))
        return record, False

    def _parse(self, body: Any) -> batch.Batch:
        model = self._engine.model_config
        parsed = batch.parse(body, model["vocab_size"] - 1, model["max_position_embeddings"])
        if parsed.hyper.rank > engine_command.MAX_RANK:
            raise ClientError(
                "batch_schema",
                f"hyper.rank is {parsed.hyper.rank}; vLLM was started for ranks up to {engine_command.MAX_RANK}",
            )
        return parsed

    def _require_fresh(self, parsed: batch.Batch) -> None:
        waiting = [r for r in self.records.unfinished() if r.batch_id != parsed.batch_id]
        head = waiting[-1].target_version if waiting else self.head.version
        if parsed.base_version != head:
            raise ClientError(
                "stale_base",
                f"base_version is {parsed.base_version}, the trainer's head is {head}; rebuild on the head",
                409,
            )
        adapter.require_new(self._config.adapters, parsed.target_version)

    def call(self, job: Callable[[], Any]) -> "Future[Any]":
        """Run `job` on the learner's thread, after what is queued."""
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

    def _run(self) -> None:
        while not self._engine.ready and self._engine.supervisor.state != "failed":
            time.sleep(0.1)  # the engine's start has the cores first: the gateway can answer sooner
        try:
            self.phase = "loading_model"
            self._load_model()
            self._check_engine()
            self._recover()
        except Exception as error:  # the boundary of this thread: a trainer that cannot train must still supervise vLLM
            self.phase, self.detail = "failed", f"{type(error).__name__}: {error}"
            return
        self.phase = "ready"
        while True:
            self._jobs.get()()

    def _load_model(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM  # noqa: F401

        from gyre_trainer import policy, self_check, update

        # Torch's threads inherit it, so it comes before the first product; and after the imports, which hold Python's
        # lock for seconds: at low priority on a busy machine they would keep the HTTP threads waiting ten times as
        # long.
        priority.be_nice()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._pool = priority.left_over_time() if self.device == "cpu" else None
        self.self_check["tree_parity"] = self_check.tree_parity(self.device)
        if self.self_check["tree_parity"] != "ok":
            raise TrainerError("self_check", f"tree packing: {self.self_check['tree_parity']}")
        dtype = getattr(torch, self.train_dtype)
        self._policy = policy.build(
            lambda: policy.load_base(self._config.model, dtype, self.device),
            self.head.rank,
            self.head.alpha,
            self.device,
            seed=7,
        )
        found = checkpoint.newest(self._config.state)
        weights, moments = checkpoint.load(found[1]) if found else (None, None)
        if weights is not None:
            self._policy.load(weights)
        self._optimizer = update.optimizer_for(self._policy, moments)

    def _check_engine(self) -> None:
        from gyre_trainer import self_check

        if not self._engine.ready:
            self.self_check["grouped_lora"] = "skipped: vLLM is not ready"
            return
        path = self_check.publish_probe(self._config.run / "self_check", self._config.model, self._engine.model_config)
        try:
            client = self._engine.client()
            client.load(self_check.NAME, str(path))
            self.self_check["grouped_lora"] = self_check.grouped_maths() or self_check.mixed_batches(
                client, self._engine.dtype
            )
            client.unload(self_check.NAME)
        except EngineError as error:  # vLLM may just be restarting; that must not end the trainer
            self.self_check["grouped_lora"] = f"failed: {error.message}"

    def _recover(self) -> None:
        """After a restart: finish the batch whose weights are the head, queue the others again."""
        for record in self.records.unfinished():
            if record.batch_id == self.head.batch_id and record.digest == self.head.batch_digest:
                self._jobs.put(lambda record=record: self._publish(record))  # type: ignore[misc]
            elif record.attempts >= MOST_ATTEMPTS:
                message = f"training was cut off {record.attempts} times and nothing was applied; send the batch again"
                record.state, record.error = "failed", {"code": "interrupted", "message": message, "side": "trainer"}
                self.records.save(record)
            else:
                self._jobs.put(lambda record=record: self._train(record))  # type: ignore[misc]

    def _train(self, record: Record) -> None:
        from gyre_trainer import update

        self.phase, self.busy = "training", record
        try:
            parsed = self._parse(self.records.body(record.batch_id))
            if parsed.base_version != self.head.version:
                raise ClientError(
                    "stale_base", f"base_version is {parsed.base_version}, the head moved to {self.head.version}", 409
                )
            record.state, record.attempts = "training", record.attempts + 1
            self.records.save(record)
            self._crash("before_update")
            policy, optimizer = self._fitting(parsed)

            def progress(share: float) -> None:
                record.progress = 0.9 * share

            metrics = priority.run(self._pool, lambda: update.update(policy, optimizer, parsed, progress))
            self._crash("before_commit")
            head = checkpoint.Head(
                self.head.sequence + 1,
                parsed.target_version,
                policy.rank,
                policy.alpha,
                record.batch_id,
                record.digest,
                metrics,
            )
            checkpoint.commit(self._config.state, head, policy.snapshot(), optimizer.adam.state_dict())
            self.head = head
            self._crash("after_commit")
        except Exception as error:
            self._fail(record, error)
        else:
            self._publish(record)
        finally:
            self.phase, self.busy = "ready", None
            memory.give_back()

    def _fitting(self, parsed: batch.Batch) -> "tuple[Policy, Optimizer]":
        """Policy and optimiser for the batch's adapter shape; the shape can change only while nothing is trained."""
        from gyre_trainer import update

        wanted, own = (parsed.hyper.rank, parsed.hyper.alpha), (self.policy.rank, self.policy.alpha)
        if self.head.version == 0:
            if wanted != own:
                self._rebuild(*wanted)
            self.policy.reset(parsed.hyper.seed)
            self._optimizer = update.optimizer_for(self.policy, None)
        elif wanted != own:
            raise ClientError(
                "rank_mismatch",
                f"rank and alpha {wanted} differ from the head's {own}; keep them or reset the head to 0",
                409,
            )
        assert self._optimizer is not None
        return self.policy, self._optimizer

    def _rebuild(self, rank: int, alpha: int) -> None:
        from gyre_trainer import policy

        dtype = self.policy.dtype
        self._policy = None  # two base models need not fit side by side
        self._policy = policy.build(
            lambda: policy.load_base(self._config.model, dtype, self.device), rank, alpha, self.device, seed=7
        )

    @property
    def policy(self) -> "Policy":
        if self._policy is None:
            raise TrainerError(
                "model_not_loaded", f"the trainer's model is not loaded (phase {self.phase}); wait and retry", 503
            )
        return self._policy

    def _fail(self, record: Record, error: Exception) -> None:
        known = (
            error
            if isinstance(error, TrainerError)
            else TrainerError("update_failed", f"{type(error).__name__}: {error}")
        )
        record.state, record.error = "failed", known.body()["error"]
        self.records.save(record)
        self.restore_head()  # an update that failed half-way must leave no trace in memory either

    def restore_head(self) -> None:
        """Put the head's weights and Adam moments back into memory."""
        from gyre_trainer import update

        found = checkpoint.newest(self._config.state)
        if found is None:
            self.policy.reset(7)
            self._optimizer = update.optimizer_for(self.policy, None)
        else:
            weights, moments = checkpoint.load(found[1])
            self.policy.load(weights)
            self._optimizer = update.optimizer_for(self.policy, moments)

    def _publish(self, record: Record) -> None:
        """Adapter directory, vLLM, probes, result. Every part can be repeated, so a restart simply runs it again."""
        from gyre_trainer import probe

        self.phase, self.busy = "training", record
        try:
            record.state, record.progress = "publishing", 0.9
            self.records.save(record)
            version = self.head.version
            published = self.write_version(
                version, self.policy.snapshot(), {"batch_id": record.batch_id, "base_version": record.base_version}
            )
            self._crash("after_publish")
            result = {
                "version": version,
                "name": adapter.name_of(version),
                "path": str(self._config.adapters / adapter.name_of(version)),
                "metrics": self.head.metrics,
                "published_at": published,
            }
            record.result = result | self._serve(
                version, published, probe.states_of(self._parse(self.records.body(record.batch_id)))
            )
            record.state, record.progress = "done", 1.0
            self.records.save(record)
        except Exception as error:
            known = (
                error
                if isinstance(error, TrainerError)
                else TrainerError("publish_failed", f"{type(error).__name__}: {error}")
            )
            record.state, record.error = "failed", known.body()["error"]
            record.error["message"] += f" (the update itself is kept: head is version {self.head.version})"
            self.records.save(record)
        finally:
            self.phase, self.busy = "ready", None

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
        """Parity and difference from the base for the weights now in memory, which must be those of `version`."""
        from gyre_trainer import probe

        name = adapter.name_of(version) if version else "base"
        parity, moved = probe.parity(
            self._engine.client(), name, self.policy, {self._engine.dtype, self.train_dtype}, states
        )
        return {"parity": parity.body(), "differs_from_base": moved}

    def write_version(self, version: int, weights: dict[str, Any], about: dict[str, Any]) -> float:
        config = adapter.peft_config(self._config.model, self.policy.rank, self.policy.alpha)
        return adapter.write(self._config.adapters, version, weights, config, about)

    def with_version(self, version: int, job: Callable[[], Any]) -> Any:
        """Run `job` with the weights of `version` in the policy, then put the head back."""
        if version == self.head.version:
            return job()
        try:
            self._take(version)
            return job()
        finally:
            self.restore_head()

    def _take(self, version: int) -> None:
        if version == 0:
            self.policy.reset(7)  # B is zero: the base
            return
        weights = adapter.read(self._config.adapters, version, self._engine.model_config)
        try:
            self.policy.load(weights)
        except ValueError as error:
            raise ClientError("rank_mismatch", f"version {version}: {error}", 409) from None

    def make_head(self, version: int, weights_of: int) -> None:
        """Continue training from the weights of `weights_of` under version number `version`, with a fresh Adam."""
        if self.head.version == version and self.head.batch_id is None and version != weights_of:
            return  # asked again for a rollback that is done
        self._take(weights_of)
        head = checkpoint.Head(self.head.sequence + 1, version, self.policy.rank, self.policy.alpha, None, None, {})
        checkpoint.commit(self._config.state, head, self.policy.snapshot(), None)
        self.head = head
        self.restore_head()
