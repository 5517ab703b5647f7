"""A job's share on a further host: what it is to do there, and how it runs."""

import shutil

from learner_service.events import Event, WorkerFailed
from learner_service.host.output import send_output
from learner_service.host.settings import HostSettings
from learner_service.job_folder.layout import sweep_scratch
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.worker_process import WorkerExit, WorkerProcess
from learner_service.worker.single_calls import fetch_task
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import TallyError


def place_of(settings: HostSettings, host_number: int) -> WorkerPlace:
    """This host as that one of an attempt's hosts."""
    return WorkerPlace(
        host_number=host_number,
        data_dir=settings.data_dir.resolve(),
        models=tuple(settings.models),
        rollout=settings.rollout,
        reward=settings.reward,
        interface=settings.interface,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


def prepare_share(access: WorkerAccess, place: WorkerPlace) -> WorkerTask:
    """The task as it reads at the place, where a folder for it is made.

    Of earlier jobs nothing is needed, and nothing stays. Raises as `fetch_task`, and OSError.
    """
    task = fetch_task(access, place)
    sweep_scratch(place.data_dir)
    shutil.rmtree(task.folder_path.parent, ignore_errors=True)
    task.folder_path.mkdir(parents=True)
    return task


async def run_share(process: WorkerProcess, task: WorkerTask, access: WorkerAccess) -> WorkerExit:
    """Runs the share to its end; the learner gets what it prints."""
    async with send_output(task.folder.worker_log, access):
        return await process.run(_ignore)


async def _ignore(event: Event) -> None:
    """The first process of a job tells the learner itself."""


def exit_of_unstarted(host: str, error: Exception) -> WorkerExit:
    """Of a share that `host` could not start."""
    reason = quote_service(error) if isinstance(error, TallyError) else type(error).__name__
    message = Message("share_unstarted", host=host, reason=reason)
    return WorkerExit(code=1, failure=WorkerFailed.of(message, retryable=True))
