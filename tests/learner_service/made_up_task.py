"""What a worker is told of a job that has neither data nor a model."""

from pathlib import Path

from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec


def made_up_task(folder: Path, *, processes: int = 1, **settings: object) -> WorkerTask:
    """The job's folder is `folder`; `settings` are those of the learner beyond its defaults."""
    return WorkerTask(
        job_id="one",
        folder_path=folder,
        blobs=folder / "blobs",
        model_source="none",
        attempt=1,
        spec=JobSpec(dataset_digest="a" * 64, base_model="none"),
        settings=LearnerSettings(data_dir=folder, device="cpu", **settings),
        launch=Launch(processes_by_host=(processes,)),
    )
