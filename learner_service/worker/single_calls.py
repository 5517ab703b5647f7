"""What a process of an attempt asks or says that reports nothing else."""

from learner_service.events import WorkerFailed
from learner_service.job_folder.task import WorkerTask
from learner_service.worker.service_client import ServiceClient
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace

# How long a service is waited for that has just started this process.
_PATIENCE_SECONDS = 60.0


def fetch_task(access: WorkerAccess, place: WorkerPlace | None) -> WorkerTask:
    """What the attempt is to do, as it reads at the place; None: on the learner's own host.

    Raises FailedPrecondition where the attempt is over, Unavailable where the service is gone.
    """
    with ServiceClient(access, patience_seconds=_PATIENCE_SECONDS, reports=False) as service:
        text = service.task()
    return place.localise(text) if place else WorkerTask.model_validate_json(text)


def report_failure(access: WorkerAccess, failure: WorkerFailed) -> None:
    """Says why the attempt gives up."""
    with ServiceClient(access, patience_seconds=0, reports=False) as service:
        service.fail(failure)
