"""A user of the REST API who tries again until there is an answer, and remembers what it was."""

import hashlib
import io
import time
import uuid
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import httpx

from bench.faults.acknowledged import Acknowledged, JobRecord
from tally.client.events import parse_events
from tally.samples.dataset import LAST_SEED, write_dataset

SCENES = 9
STEPS = 8
_COMMON = {
    "learning_rate": 1e-3,
    "batch_size": 2,
    "gradient_accumulation_steps": 2,
    "num_generations": 4,
    "temperature": 1.0,
    "use_4bit": False,
    "max_image_size": 112,
    "max_new_tokens": 8,
    "max_steps": STEPS,
    "num_epochs": 100,
    "save_steps": 2,
}
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"staleness": 1},
    {"beta": 0.05, "zero_variance_groups": "refill"},
)
_TIMEOUT_SECONDS = 30.0
_PAUSE_SECONDS = 0.3


class User:
    """Runs jobs of the variants one after another, as `number` decides."""

    def __init__(self, url: str, folder: Path, acknowledged: Acknowledged) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._folder = folder
        self._acknowledged = acknowledged

    def close(self) -> None:
        self._client.close()

    def run(self, file_id: str, number: int, seed: int) -> None:
        """An upload and a job: seen to its end, cancelled on the way, or cancelled and resumed."""
        random = Random(f"{seed}/{number}")
        variant = number % len(VARIANTS)
        self.upload(1 + number % LAST_SEED)
        cancel_at = random.choice([None, None, random.randrange(STEPS)])
        job = self.train(file_id, f"{seed}-{number}", variant)
        self.follow(job, cancel_at)
        if job.ended == "cancelled" and random.random() < 0.7:
            job = self.train(file_id, f"{seed}-{number}-again", variant, resume=job.job_id)
            self.follow(job, None)
        if job.ended == "completed" and random.random() < 0.3:
            self.compare(job, file_id)

    def upload(self, seed: int) -> str:
        path = self._folder / f"{seed}-{uuid.uuid4()}.zip"
        write_dataset(path, scenes=SCENES, seed=seed)
        files = {"file": (path.name, path.read_bytes(), "application/zip")}
        file_id: str = self.ask("POST", "/upload-data", files=files).json()["file_id"]
        with zipfile.ZipFile(path) as archive:
            picture = archive.read("images/scene_000000.png")
        with self._acknowledged.lock:
            self._acknowledged.uploads[file_id] = hashlib.sha256(picture).hexdigest()
        return file_id

    def train(
        self, file_id: str, key: str, variant: int, resume: str = "", **settings: Any
    ) -> JobRecord:
        """Asks twice with one key: it is one job. `settings` go before the variant's."""
        body: dict[str, Any] = {
            "job_name": key,
            "data_file_id": file_id,
            "evaluation_share": 0.0,
            "training_config": _COMMON | VARIANTS[variant] | settings,
            "lora_config": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.1},
        }
        body |= {"resume_from_job_id": resume} if resume else {"fresh": True}
        answer = self._train_once(body, key)
        if answer.status_code == 422 and resume:
            # It was cancelled before there was a checkpoint.
            return self.train(file_id, key, variant)
        job_id = answer.json()["job_id"]
        job = JobRecord(job_id=job_id, key=key, variant=variant, resumed=bool(resume))
        if self._train_once(body, key).json()["job_id"] != job.job_id:
            self._acknowledged.find(f"{key}: two jobs of one key")
        with self._acknowledged.lock:
            self._acknowledged.jobs.append(job)
        return job

    def _train_once(self, body: dict[str, Any], key: str) -> httpx.Response:
        return self.ask("POST", "/train", json=body, headers={"Idempotency-Key": key})

    def follow(self, job: JobRecord, cancel_at: int | None) -> None:
        """Sees every event of the job, and cancels it once it has done `cancel_at` steps."""
        while not job.ended:
            try:
                self._follow_once(job, cancel_at)
            except httpx.TransportError:
                time.sleep(_PAUSE_SECONDS)
        if job.ended == "completed":
            job.adapter_digest = self._download(job)

    def _follow_once(self, job: JobRecord, cancel_at: int | None) -> None:
        headers = {"Last-Event-ID": str(job.last_seq)}
        path = f"/jobs/{job.job_id}/events"
        with self._client.stream("GET", path, headers=headers) as response:
            self._acknowledged.count_answer(response.status_code)
            if response.status_code != 200:
                time.sleep(_PAUSE_SECONDS)
                return
            for event in parse_events(response.iter_text()):
                if not job.see(event.seq):
                    continue
                if event.kind == "notice" and "another adapter" in event.data["message"]:
                    job.samples_of_another_adapter += 1
                if event.kind == "step":
                    job.steps.append(event.data["step"])
                if event.kind == "ended":
                    job.ended = event.data["status"]
                    return
                if cancel_at is not None and len(job.steps) >= cancel_at and not job.cancelled:
                    job.cancelled = True
                    self.ask("DELETE", f"/jobs/{job.job_id}")

    def _download(self, job: JobRecord) -> str:
        answer = self.ask("GET", f"/jobs/{job.job_id}/download")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return hashlib.sha256(archive.read("adapter_model.safetensors")).hexdigest()

    def compare(self, job: JobRecord, file_id: str) -> None:
        """Asks once, since a comparison has no key; what isn't acknowledged may be there or not."""
        try:
            path = f"/jobs/{job.job_id}/evaluate"
            answer = self._client.post(path, json={"file_id": file_id})
        except httpx.TransportError:
            return
        self._acknowledged.count_answer(answer.status_code)
        if answer.is_success:
            with self._acknowledged.lock:
                self._acknowledged.comparisons.append(answer.json()["evaluation_id"])

    def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """Until there is an answer that is none of the server's own failures."""
        while True:
            try:
                answer = self._client.request(method, path, **what)
            except httpx.TransportError:
                time.sleep(_PAUSE_SECONDS)
                continue
            self._acknowledged.count_answer(answer.status_code)
            if answer.status_code == 500:
                self._acknowledged.find(f"{method} {path}: 500")
            if answer.status_code < 500:
                return answer
            time.sleep(_PAUSE_SECONDS)
