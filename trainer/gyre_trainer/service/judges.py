"""Judges that are trained: in slices on the learner's thread, so that batches and rollbacks wait for one slice only.

What is known of a judge is its directory: DIR/judges/judge-NAME-vN appears whole, with its report and the hash of its
labels in the manifest. What was cut off before that begins anew when the labels are sent again; labels lie in memory
only, because they are what people said.
"""

import dataclasses
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gyre_trainer.config import Config
from gyre_trainer.contract import labels
from gyre_trainer.contract.batch import Limits
from gyre_trainer.contract.errors import ClientError, EngineError, known
from gyre_trainer.engine.engine import Engine
from gyre_trainer.machine import durable, memory, priority
from gyre_trainer.service.head import HeadWeights
from gyre_trainer.service.queue import Queue
from gyre_trainer.weights import adapter

if TYPE_CHECKING:
    from gyre_trainer.learn.judge import Training
    from gyre_trainer.learn.policy import Policy

Probes = list[tuple[tuple[int, ...], float]]  # prompts, and what the trainer thinks of each
State = Literal["queued", "training", "publishing", "failed"]
PARITY = "parity.json"  # in its directory: it was loaded and compared
PROBED = 16  # prompts at which engine and trainer are compared
PAUSE_S = 0.5  # between two looks whether the engine is up
# Nats between a preference of the engine's and the trainer's, on average.
TOLERANCES = {"float32": 0.01, "bfloat16": 0.3}


@dataclass
class Job:
    """A version of a judge that was asked for since this process began."""

    labels: labels.Labels
    state: State = "queued"
    training: "Training | None" = None
    error: dict[str, str] | None = None
    probes: Probes | None = None

    @property
    def progress(self) -> float:
        if self.training is not None:
            return 0.95 * self.training.progress
        return 0.95 if self.state == "publishing" else 0.0


class Judges:
    """`submit`, `state`, `load`, `unload` and `remove` are for any thread."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        queue: Queue,
        weights: HeadWeights,
        limits: Limits,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`crash` is called at named points, where tests kill the process."""
        self._config, self._engine, self._queue, self._weights = config, engine, queue, weights
        self._limits, self._crash = limits, crash
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, body: Any) -> tuple[dict[str, Any], bool]:
        """(answer, newly queued). The same labels for the same version are never trained on twice.

        ClientError `labels_schema`, or `judge_conflict` where the version was made of other labels.
        """
        wanted = labels.parse(body, self._limits)
        with self._lock:
            now, made = self._known(wanted.name), self._made(wanted.name)
            if any(each is not None and each["labels_hash"] != wanted.labels_hash for each in (now, made)):
                raise ClientError(
                    "judge_conflict", f"{wanted.name} is made of other labels; use a new version number", 409
                )
            if now is not None and now["state"] != "failed":
                return now, False
            # What is made and was never compared with the engine is not made again.
            self._jobs[wanted.name] = Job(wanted, "queued" if made is None else "publishing")
        self._queue.call(lambda: self._go_on(wanted.name))
        return self.state(wanted.name), True

    def state(self, name: str) -> dict[str, Any]:
        """What has become of it; ClientError `no_such_judge` (404)."""
        with self._lock:
            now = self._known(name)
        if now is None:
            raise ClientError("no_such_judge", f"{name} was never trained here; send its labels", 404)
        return now

    def _known(self, name: str) -> dict[str, Any] | None:
        job = self._jobs.get(name)
        if job is not None:
            shown: dict[str, Any] = {"name": name, "labels_hash": job.labels.labels_hash, "state": job.state}
            shown["progress"] = round(job.progress, 3)
            return shown if job.error is None else shown | {"error": job.error}
        made = self._made(name)
        if made is None or not (self._config.judges / name / PARITY).is_file():
            return None
        done = {"name": name, "labels_hash": made["labels_hash"], "state": "done", "progress": 1.0}
        return done | {"result": self._result(name)}

    def _made(self, name: str) -> dict[str, Any] | None:
        """The manifest of its directory; None where that is not there as a whole."""
        directory = self._config.judges / name
        if not durable.is_published(directory):
            return None
        manifest: dict[str, Any] = durable.read_json(directory / "manifest.json")
        return manifest

    def training(self) -> dict[str, Any] | None:
        """The one that is in the making, as `/health` shows it."""
        for name, job in list(self._jobs.items()):
            if job.state in ("training", "publishing"):
                return {"name": name, "state": job.state, "progress": round(job.progress, 3)}
        return None

    def load(self, name: str) -> float:
        return self._engine.load_judge(name)

    def unload(self, name: str) -> None:
        self._engine.unload_judge(name)

    def remove(self, name: str) -> bool:
        """Unload it and take it off the disk; False where it was not there."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and job.state != "failed":
                raise ClientError("judge_in_training", f"{name} is being trained", 409)
            self._jobs.pop(name, None)
        self._engine.unload_judge(name)
        return durable.unpublish_directory(self._config.judges / name)

    # ---- on the learner's thread ------------------------------------------------------------------------------

    def _go_on(self, name: str) -> None:
        """A slice of it, and behind whatever waits by then the next one."""
        job = self._jobs[name]
        try:
            over = self._publish(name, job) if job.state == "publishing" else self._train(name, job)
        except Exception as error:  # the boundary of the job: what went wrong is its answer
            job.training, job.probes = None, None
            job.error = known(error, "judge_failed").body()["error"]
            job.labels = dataclasses.replace(job.labels, labels=())
            job.state = "failed"
            return
        if not over:
            self._queue.call(lambda: self._go_on(name))

    def _train(self, name: str, job: Job) -> bool:
        from gyre_trainer.learn import judge

        job.state = "training"
        hyper = job.labels.hyper
        if job.training is None:
            job.training = judge.Training.of(job.labels, self._weights.policy.model.config.hidden_size)
        training = job.training
        if self._pool is None and self._weights.device == "cpu":
            self._pool = priority.left_over_time()

        def slice_(policy: "Policy") -> None:
            priority.run(self._pool, lambda: judge.work(training, policy))

        self._weights.lend(hyper.rank, hyper.alpha, slice_)
        self._crash("after_slice")
        if not training.done:
            return False
        assert training.weights is not None
        about = {
            "judge": job.labels.judge,
            "version": job.labels.version,
            "labels_hash": job.labels.labels_hash,
            "good": job.labels.good,
            "bad": job.labels.bad,
            "report": judge.report(training),
        }
        adapter.write_to(
            self._config.judges / name,
            training.weights,
            adapter.peft_config(self._config.model, training.weights, hyper.rank, hyper.alpha),
            about,
        )
        self._crash("after_publish")
        job.probes = [(job.labels.labels[i].ids, training.logits[i]) for i in training.held[:PROBED]]
        job.training, job.state = None, "publishing"
        return False

    def _publish(self, name: str, job: Job) -> bool:
        """Into vLLM, and its word compared with the trainer's; waits for a vLLM that is just restarting."""
        try:
            self._engine.load_judge(name)
            if job.probes is None:
                job.probes = self._probes(name, job.labels)
            parity = self._parity(name, job.labels, job.probes)
        except EngineError as error:
            if error.status != 503:
                raise
            threading.Event().wait(PAUSE_S)
            return False
        durable.write_json(self._config.judges / name / PARITY, parity)
        with self._lock:
            del self._jobs[name]  # what is known of it from now on lies in its directory
        memory.give_back()
        return True

    def _probes(self, name: str, told: labels.Labels) -> Probes:
        """A few prompts, and what the trainer thinks of each by weights that are on the disk."""
        from gyre_trainer.learn import judge

        weights = adapter.read_from(adapter.checked(self._config.judges / name, self._engine.model_config))
        prompts = [label.ids for label in told.labels if label.part != "train"][:PROBED]
        found: list[float] = []

        def look(policy: "Policy") -> None:
            policy.load(weights)
            found.extend(judge.judged(policy, prompts, told))

        self._weights.lend(told.hyper.rank, told.hyper.alpha, look)
        return list(zip(prompts, found, strict=True))

    def _parity(self, name: str, told: labels.Labels, probes: Probes) -> dict[str, Any]:
        client = self._engine.client()
        gaps = [abs(client.preference(name, list(prompt), told.good, told.bad) - ours) for prompt, ours in probes]
        tolerance = max(TOLERANCES[dtype] for dtype in (self._engine.dtype, self._weights.dtype))
        mean = sum(gaps) / len(gaps) if gaps else 0.0
        return {"mean_abs": mean, "n": len(gaps), "tolerance": tolerance, "passed": mean <= tolerance}

    def _result(self, name: str) -> dict[str, Any]:
        directory = self._config.judges / name
        return {
            "path": str(directory),
            "adapter": "sha256:" + hashlib.sha256((directory / adapter.WEIGHTS).read_bytes()).hexdigest(),
            "report": durable.read_json(directory / "manifest.json")["report"],
            "parity": durable.read_json(directory / PARITY),
        }
