"""The one thread that owns the policy: it loads the model, checks itself, then applies and publishes what is queued.

The parts are next to this file: `queue` (what waits), `head` (the weights), `apply` (a batch onto them), `publish`.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gyre_trainer.config import Config
from gyre_trainer.contract.batch import Limits
from gyre_trainer.contract.errors import EngineError, TrainerError
from gyre_trainer.engine.command import MAX_RANK
from gyre_trainer.engine.engine import Engine
from gyre_trainer.learn import checkpoint
from gyre_trainer.machine import priority
from gyre_trainer.service.apply import Applier
from gyre_trainer.service.head import HeadWeights
from gyre_trainer.service.judges import Judges
from gyre_trainer.service.publish import Publisher
from gyre_trainer.service.queue import Phase, Queue
from gyre_trainer.service.records import Record, Records

if TYPE_CHECKING:
    from gyre_trainer.learn.policy import Policy


class Learner:
    """Joins the parts. `submit` and `call` are for any thread; `make_head`, `with_version`, `measure` and `policy` are
    for jobs given to `call`."""

    def __init__(
        self, config: Config, engine: Engine, train_dtype: str, crash: Callable[[str], None] = lambda _: None
    ) -> None:
        """`train_dtype` names the torch format of the frozen base; `crash` is called at named points, for tests."""
        self._config, self._engine, self.train_dtype = config, engine, train_dtype
        model = engine.model_config
        limits = Limits(model["vocab_size"] - 1, model["max_position_embeddings"], MAX_RANK)
        self.records = Records(config.batches)
        self._weights = HeadWeights(config, model, train_dtype)
        self._applier = Applier(self.records, self._weights, limits, crash)
        self._publisher = Publisher(config, engine, self.records, self._weights, limits, crash)
        self._queue = Queue(self.records, self._weights, limits, config.adapters, self._train, self._publisher.publish)
        self.judges = Judges(config, engine, self._queue, self._weights, limits, crash)
        self.self_check = {"grouped_lora": "pending", "tree_parity": "pending"}
        self.submit, self.call = self._queue.submit, self._queue.call
        self.with_version, self.make_head = self._weights.with_version, self._weights.reset
        self.measure = self._publisher.measure
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def phase(self) -> Phase:
        return self._queue.phase

    @property
    def detail(self) -> str:
        """Why the phase is "failed"."""
        return self._queue.detail

    @property
    def busy(self) -> Record | None:
        return self._queue.busy

    @property
    def head(self) -> checkpoint.Head:
        return self._weights.head

    @property
    def device(self) -> str:
        return self._weights.device

    @property
    def policy(self) -> "Policy":
        return self._weights.policy

    def _train(self, record: Record) -> None:
        if self._applier.apply(record):
            self._publisher.publish(record)

    def _run(self) -> None:
        while not self._engine.ready and self._engine.supervisor.state != "failed":
            time.sleep(0.1)  # the engine's start has the cores first: the gateway can answer sooner
        try:
            self._queue.phase = "loading_model"
            self._load_model()
            self._check_engine()
            self._queue.resume()
        except Exception as error:  # the boundary of this thread: a trainer that cannot train must still supervise vLLM
            self._queue.fail(error)
            return
        self._queue.work()

    def _load_model(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM  # noqa: F401

        from gyre_trainer.check import self_check
        from gyre_trainer.learn import policy, update  # noqa: F401

        # Torch's threads inherit it, so it comes before the first product; and after the imports, which hold Python's
        # lock for seconds: at low priority on a busy machine they would keep the HTTP threads waiting ten times as
        # long.
        priority.be_nice()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.self_check["tree_parity"] = self_check.tree_parity(device)
        if self.self_check["tree_parity"] != "ok":
            raise TrainerError("self_check", f"tree packing: {self.self_check['tree_parity']}")
        self._weights.load(device)

    def _check_engine(self) -> None:
        from gyre_trainer.check import self_check

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
