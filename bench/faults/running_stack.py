"""Four services as processes that are started again whenever they end."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.waiting import wait_for
from tally.cli.stack.background_task import BackgroundTask
from tally.cli.stack.ports import free_port
from tally.cli.stack.services import DEFAULT_MODEL, plan_services
from tally.cli.stack.stack_secret import write_secret
from tally.cli.stack.supervisor import Supervisor

# What nobody names goes after this time, an hour by default.
UNCLAIMED_SECONDS = 60
# Random blows are no reason to give a job up: what ends badly is then a fault of the stack.
_PATIENT = {
    "TALLY_LEARNER_MAX_ATTEMPTS": "1000",
    "TALLY_LEARNER_ROLLOUT_WAIT_SECONDS": "3600",
    "TALLY_LEARNER_TORCH_THREADS": "1",
    "TALLY_LEARNER_BLOBS__UNCLAIMED_SECONDS": str(UNCLAIMED_SECONDS),
}


class RunningStack:
    """Where it answers and writes; the supervisor has a thread of its own, which starts
    everything, since Linux ends services with the thread that started them."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] = {}) -> None:
        """`settings` are variables of the services' environment."""
        port = free_port()
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{port}"
        self._over = threading.Event()
        self._ready = threading.Event()
        write_secret(data_dir)
        planned = plan_services(
            data_dir=data_dir,
            model=DEFAULT_MODEL,
            host="127.0.0.1",
            port=port,
            engine="transformers",
            use_4bit=False,
        )
        self._supervisor = Supervisor(
            [
                replace(one, environment={**one.environment, **_PATIENT, **settings})
                for one in planned
            ],
            data_dir / "logs",
            stopped=self._over.is_set,
            report=lambda text: None,
            restarts=10**9,
        )

    def pid(self, service: str) -> int:
        [process] = [one for one in self._supervisor.processes if one.service.name == service]
        return process.pid or 0

    @contextmanager
    def run(self) -> Iterator[None]:
        """All services are healthy when the context begins, and have ended when it has."""
        supervision = BackgroundTask(self._supervise)
        try:
            wait_for(lambda: self._ready.is_set() or supervision.done())
            if supervision.done():
                supervision.result()
            yield
        finally:
            self._over.set()
            wait_for(supervision.done)

    def _supervise(self) -> None:
        try:
            self._supervisor.start()
            self._ready.set()
            self._supervisor.run()
        finally:
            self._supervisor.stop()
