"""What the reads are of: an upload, a completed job, what was made of it, and a job in training."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tally.cli.answers import Json
from tally.client import Client
from tally.samples.dataset import write_dataset

_SCENES = 90
_PAUSE_SECONDS = 0.1
_FIRST_ROW = 2
# Beyond the first epoch, which encodes every image.
_WARM_STEPS = 60
_SETTINGS = {
    "learning_rate": 1e-3,
    "batch_size": 2,
    "num_generations": 4,
    "temperature": 1.0,
    "use_4bit": False,
    "max_image_size": 112,
    "max_new_tokens": 8,
    "num_epochs": 10_000,
}


class Jobs:
    """Of one gateway. Raises what its client raises."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def prepare(self, folder: Path) -> dict[str, str]:
        """What there is to read, by the names of the API's parameters."""
        path = folder / "scenes.zip"
        write_dataset(path, scenes=_SCENES, seed=11)
        with path.open("rb") as file:
            file_id = self._client.upload(file, path.name)["file_id"]
        job_id = self._train(file_id, "completed", evaluation_share=0.1, max_steps=4)
        _await_completion(lambda: self._client.job(job_id))
        evaluation_id = self._client.evaluate(job_id, file_id=file_id)["evaluation_id"]
        _await_completion(lambda: self._client.comparison(evaluation_id))
        prediction_id = self._predict(path, job_id)
        _await_completion(lambda: self._client.prediction(prediction_id))
        return {
            "file_id": file_id,
            "job_id": job_id,
            "model": job_id,
            "row": str(_FIRST_ROW),
            "evaluation_id": evaluation_id,
            "prediction_id": prediction_id,
        }

    def train_on(self, file_id: str) -> str:
        """A job that goes on until it is cancelled, and has begun to; it learns next to nothing, so
        that the work of a step stays the same."""
        job_id = self._train(file_id, "going on", evaluation_share=0.0, learning_rate=1e-12)
        while self.steps(job_id) < _WARM_STEPS:
            time.sleep(_PAUSE_SECONDS)
        return job_id

    def steps(self, job_id: str) -> int:
        """How many are done. Raises RuntimeError once the job has ended."""
        job = self._client.job(job_id)
        if job["status"] != "training":
            raise RuntimeError(f"the job is {job['status']}: {job['error_message']}")
        return int(job["current_step"])

    def _predict(self, pictures: Path, job_id: str) -> str:
        settings = {"question": "How many objects are there?", "job_id": job_id}
        with pictures.open("rb") as file:
            batch = self._client.predict_all(file, pictures.name, settings)
        return batch["prediction_id"]

    def _train(self, file_id: str, name: str, *, evaluation_share: float, **more: Any) -> str:
        body: Any = {
            "job_name": name,
            "data_file_id": file_id,
            "evaluation_share": evaluation_share,
            "training_config": _SETTINGS | more,
            "lora_config": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0},
        }
        job_id: str = self._client.train(body)["job_id"]
        return job_id


def _await_completion(look: Callable[[], Json]) -> None:
    while (status := look()["status"]) in ("training", "running"):
        time.sleep(_PAUSE_SECONDS)
    if status != "completed":
        raise RuntimeError(f"what should be completed is {status}")
