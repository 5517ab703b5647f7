"""What a job is written down for, in the transaction that does it: nothing of it goes meanwhile."""

from sqlmodel import Session

from gateway.errors import Missing
from gateway.jobs.job_models import Job
from gateway.uploads.file_models import StoredFile


def check_files_stay(session: Session, job: Job) -> None:
    """Raises Missing for a file that has been deleted; the others wait with it for this job."""
    for field in ("data_file_id", "evaluation_file_id"):
        file_id = getattr(job, field)
        if file_id and session.get(StoredFile, file_id, with_for_update={"read": True}) is None:
            raise Missing.at(field, "the file has been deleted; use another one")
