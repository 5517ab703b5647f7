"""One job in several processes: its ranks on this host, started and watched by torchrun's agent.

learner_service/worker/start.py runs it, for the service or for a further host. Where one rank ends
unexpectedly the others are stopped, and the reason is said once.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterable

import torch
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from learner_service.events import WorkerFailed
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.process_end import MemoryWatch, describe_end
from learner_service.worker.failures import LOST_OTHERS
from learner_service.worker.rank_failure import read_failure
from learner_service.worker.single_calls import fetch_task, report_failure
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.logs.fields import add_process_fields
from tally.logs.setup import configure_logging
from tally.messages.message import Message

_log = logging.getLogger(__name__)
PROGRAM = "learner_service.worker.start"


def main() -> None:
    access = WorkerAccess.of()
    task = fetch_task(access, WorkerPlace.of())
    add_process_fields(job_id=task.job_id, attempt=task.attempt)
    configure_logging("launch", task.settings.log_level, task.settings.log_format)
    config = _config(task)
    _prepare_environment(task, config.nproc_per_node)
    command = ["-m", PROGRAM, "rank", str(task.folder_path), str(os.getpid())]
    sys.exit(_run(config, command, task, access))


def _run(config: LaunchConfig, command: list[str], task: WorkerTask, access: WorkerAccess) -> int:
    """Runs the ranks of this host; the exit code. Says what went wrong, if it knows."""
    memory = MemoryWatch()
    try:
        elastic_launch(config, sys.executable)(*command)
        return 0
    except SignalException:
        return 0  # the ranks were stopped, as was asked
    except ChildFailedError as error:
        failure = _first_failure(error.failures.items(), task.launch, memory)
    except Exception:
        _log.exception("the processes of the job did not meet")
        failure = WorkerFailed.of(Message("ranks_did_not_meet"), retryable=True)
    if failure is None:
        return LOST_OTHERS
    report_failure(access, failure)
    return 1


def _config(task: WorkerTask) -> LaunchConfig:
    launch = task.launch
    several = launch.hosts > 1
    place = launch.rendezvous
    return LaunchConfig(
        min_nodes=launch.hosts,
        max_nodes=launch.hosts,
        nproc_per_node=_usable_processes(task),
        run_id=f"{task.job_id}-{task.attempt}",
        # Alone, a host takes a free port; among several, all know one beforehand.
        rdzv_backend="static" if several else "c10d",
        rdzv_endpoint=f"{place.address}:{place.port}" if several else "localhost:0",
        rdzv_configs={
            "timeout": round(task.settings.rank_wait_seconds),
            **({"rank": launch.host_number} if several else {}),
        },
        local_addr=None if several else "127.0.0.1",
        max_restarts=0,
    )


def _usable_processes(task: WorkerTask) -> int:
    """As many as were asked for, where each finds a GPU of its own."""
    asked, device = task.launch.own_processes, task.settings.device
    if device == "cpu" or not torch.cuda.is_available():
        return asked
    return min(asked, torch.cuda.device_count())


def _prepare_environment(task: WorkerTask, processes: int) -> None:
    """What the ranks inherit: their share of the cores, and the interface between the hosts."""
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    interface = task.launch.rendezvous.interface if task.launch.hosts > 1 else "lo"
    if interface:
        os.environ["GLOO_SOCKET_IFNAME"] = interface
    if interface and task.launch.hosts > 1:
        os.environ["NCCL_SOCKET_IFNAME"] = interface


def _first_failure(
    failures: Iterable[tuple[int, ProcessFailure]], launch: Launch, memory: MemoryWatch
) -> WorkerFailed | None:
    """Of the ranks here the first that ended, but for those that only lost others."""
    for rank, failure in failures:
        if failure.exitcode != LOST_OTHERS:
            ended = Message(
                "rank_ended",
                rank=rank,
                processes=launch.processes,
                host=socket.gethostname(),
                end=describe_end(failure.exitcode, memory.ran_out),
            )
            return read_failure(failure.error_file) or WorkerFailed.of(ended, retryable=True)
    return None
