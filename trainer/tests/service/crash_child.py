"""A trainer with a fake vLLM that is killed with SIGKILL at a named point of its first batch (for test_crash.py).

Run as `python crash_child.py DATA MODEL BODY POINT` with conftest.py and the package on PYTHONPATH; without a crash it
prints the batch's final state as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from conftest import service, wait_for


def main(data: Path, model: Path, body: Path, point: str) -> None:
    def crash(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    engine, learner = service(data, model, crash)
    engine.supervisor.start()
    learner.start()
    wait_for(lambda: learner.phase == "ready")
    sent = json.loads(body.read_text())
    record, _ = learner.submit(sent["batch_id"], sent)
    wait_for(lambda: record.state in ("done", "failed"))
    engine.supervisor.stop()
    sys.stdout.write(json.dumps(record.answer() | {"attempts": record.attempts, "head": learner.head.version}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
