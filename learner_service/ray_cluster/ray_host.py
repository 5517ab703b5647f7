"""What Ray runs on a node for one share of a job: it starts the share's processes and waits.

The node's own settings are those of a further host, in the environment that Ray was started with.
"""

import asyncio
import os
import shutil
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from learner_service.host.settings import HostSettings
from learner_service.host.share import exit_of_unstarted, place_of, prepare_share, run_share
from learner_service.queue.worker_links import FarLink
from learner_service.queue.worker_process import WorkerExit, WorkerProcess
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.rpc.errors import TallyError
from tally.rpc.release import installed_release
from tally.rpc.settings import ClientSettings


@dataclass(frozen=True, kw_only=True)
class Node:
    """Where a host is: an address and a port of it that is free now, and the release it has."""

    address: str
    port: int
    release: str


class RayHost:
    """An actor that runs one share, once. Ray calls its methods from threads of its own; with a
    coroutine among them it would call them from an event loop."""

    def __init__(self) -> None:
        self._settings = HostSettings()
        self._stopping = Stopping()

    def describe(self) -> Node:
        address = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        with socket.create_server((address, 0)) as free:
            port = free.getsockname()[1]
        return Node(address=address, port=port, release=installed_release())

    def run(self, learner: ClientSettings, token: str, host_number: int) -> WorkerExit:
        """Runs the share of the attempt that has the token, until its end."""
        access = WorkerAccess(learner=learner, token=token, secret=self._settings.secret)
        place = self._place(host_number)
        try:
            return asyncio.run(_run(access, place, self._stopping))
        except (TallyError, OSError) as error:
            return exit_of_unstarted("a node of the Ray cluster", error)
        finally:
            shutil.rmtree(place.data_dir, ignore_errors=True)

    def stop(self) -> None:
        """Asks for an end with a checkpoint; once something runs, or before."""
        self._stopping.ask()

    def _place(self, host_number: int) -> WorkerPlace:
        """One for this share alone: several may run on a node. What is kept for later is shared."""
        root = self._settings.data_dir.resolve()
        own = {"data_dir": root / "shares" / uuid.uuid4().hex, "feature_folder": root / "features"}
        return place_of(self._settings, host_number).model_copy(update=own)


class Stopping:
    """A request to stop, from any thread: before there is a process, while it runs, or after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_asked = False
        self._stop: Callable[[], object] = lambda: None

    def ask(self) -> None:
        with self._lock:
            self._is_asked = True
            self._stop()

    @contextmanager
    def stops(self, stop: Callable[[], object]) -> Iterator[None]:
        """While the context is open, a request calls `stop`; one that came before does at once."""
        with self._lock:
            self._stop = stop
            if self._is_asked:
                stop()
        try:
            yield
        finally:
            with self._lock:
                self._stop = lambda: None


async def _run(access: WorkerAccess, place: WorkerPlace, stopping: Stopping) -> WorkerExit:
    task = await asyncio.to_thread(prepare_share, access, place)
    if task.launch.threads:  # in the place of what Ray says for all processes together
        os.environ["OMP_NUM_THREADS"] = str(task.launch.threads)
    process = WorkerProcess(task, task.settings.worker_stop_seconds, FarLink(access, place))
    loop = asyncio.get_running_loop()
    with stopping.stops(lambda: loop.call_soon_threadsafe(process.stop)):
        return await run_share(process, task, access)
