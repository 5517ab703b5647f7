"""What the reads are of: an upload, a completed job, its comparison, and a job that trains on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tally.samples.dataset import write_dataset

_SCENES = 90
_TIMEOUT_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_FIRST_ROW = 2
# Beyond the first ones, which are slower.
_WARM_STEPS = 10
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
    """Of one gateway, as its REST API shows them. Raises HTTPStatusError for a refusal."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def endpoints(self) -> list[str]:
        return list(self._ask("GET", "/")["endpoints"])

    def prepare(self, folder: Path) -> dict[str, str]:
        """What there is to read, by the names of the API's parameters."""
        path = folder / "scenes.zip"
        write_dataset(path, scenes=_SCENES, seed=11)
        files = {"file": (path.name, path.read_bytes(), "application/zip")}
        file_id = self._ask("POST", "/upload-data", files=files)["file_id"]
        job_id = self._train(file_id, "completed", evaluation_share=0.1, max_steps=4)
        self._await(lambda: self.job(job_id)["status"], "completed")
        asked = self._ask("POST", f"/jobs/{job_id}/evaluate", json={"file_id": file_id})
        place = f"/evaluations/{asked['evaluation_id']}"
        self._await(lambda: self._ask("GET", place)["status"], "completed")
        names = {"file_id": file_id, "job_id": job_id, "row": str(_FIRST_ROW)}
        return names | {"evaluation_id": asked["evaluation_id"]}

    def train_on(self, file_id: str) -> str:
        """A job that goes on until it is cancelled, and has begun to."""
        job_id = self._train(file_id, "going on", evaluation_share=0.0)
        while self.steps(job_id) < _WARM_STEPS:
            time.sleep(_PAUSE_SECONDS)
        return job_id

    def steps(self, job_id: str) -> int:
        """How many are done. Raises RuntimeError once the job has ended."""
        job = self.job(job_id)
        if job["status"] != "training":
            raise RuntimeError(f"the job is {job['status']}: {job['error_message']}")
        return int(job["current_step"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", f"/jobs/{job_id}")
        return found

    def cancel(self, job_id: str) -> None:
        self._ask("DELETE", f"/jobs/{job_id}")

    def _train(self, file_id: str, name: str, *, evaluation_share: float, **more: Any) -> str:
        body = {
            "job_name": name,
            "data_file_id": file_id,
            "evaluation_share": evaluation_share,
            "training_config": _SETTINGS | more,
            "lora_config": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0},
        }
        job_id: str = self._ask("POST", "/train", json=body)["job_id"]
        return job_id

    def _await(self, status: Callable[[], str], wanted: str) -> None:
        while (now := status()) in ("training", "running"):
            time.sleep(_PAUSE_SECONDS)
        if now != wanted:
            raise RuntimeError(f"what should be {wanted} is {now}")

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        answer = self._client.request(method, path, **what)
        answer.raise_for_status()
        return answer.json()
