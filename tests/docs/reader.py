"""A reader of the documents: the folder that they type in, and a stack that answers them."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from tally.cli.stack.services import DEFAULT_MODEL
from tally.samples.dataset import write_sample_data
from tests.stack import ROOT, Stack

# What the documents call the things that a reader has by now.
_FILE = re.compile(r"7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10|FILE_ID")
_JOB = re.compile(r"2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33|JOB_ID")
_EVALUATION = re.compile(r"0c5a6c52-4df8-4c08-8b62-54a0d6e4b8ae|EVALUATION_ID")
_SECONDS = 300
_QUICK: dict[str, Any] = {
    "training_config": {
        "max_steps": 2,
        "batch_size": 4,
        "gradient_accumulation_steps": 1,
        "max_image_size": 112,
        "max_new_tokens": 12,
        "use_4bit": False,
    },
    "lora_config": {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0},
}


@dataclass
class Reader:
    """Uploads and trains anew where what a snippet takes as given is there no more."""

    stack: Stack
    folder: Path
    _ids: dict[str, str] = field(default_factory=dict)

    def gather(self) -> None:
        """Writes the files that the documents speak of."""
        write_sample_data(self.folder, training=8, held_out=8, seed=6)
        data, held_out = self.folder / "training_data.zip", self.folder / "held_out.zip"
        for name in ("photos.zip", "more_photos.zip"):
            (self.folder / name).write_bytes(data.read_bytes())
        (self.folder / "other.zip").write_bytes(held_out.read_bytes())
        (self.folder / "config.json").write_text(json.dumps(_QUICK))
        self._write_pictures(data)
        self._write_faulty()
        self._write_coco()
        # An answer of 4xx or 5xx ends a command, and what is downloaded again replaces the file.
        (self.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nclobber\n")

    def run(self, command: list[str], *, is_refused: bool = False) -> str:
        """Its standard output, and what it said beside it where it is refused."""
        environment = os.environ | {
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TALLY_GATEWAY_DATA_DIR": str(self.folder / "gateway"),
            "TALLY_URL": self.stack.url,
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            input="y\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        self._end_jobs()
        said = f"{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == is_refused, said
        return said if is_refused and not done.stdout.startswith("{") else done.stdout

    def here(self, text: str) -> str:
        """The text with this stack's address, and what the reader has, by its real id."""
        text = text.replace("http://localhost:8000", self.stack.url)
        text = text.replace("https://tally.example.org", self.stack.url)
        text = text.replace(".venv/bin/", "").replace("TALLY_TOKEN=…", "TALLY_TOKEN=none")
        text = text.replace('token="…"', 'token="none"')
        text = text.replace("Qwen/Qwen2.5-VL-3B-Instruct", DEFAULT_MODEL)
        text = _FILE.sub(lambda _: self._known("file", "/files/{}/rows", self._upload), text)
        text = _EVALUATION.sub(
            lambda _: self._known("evaluation", "/evaluations/{}", self._compare), text
        )
        if "adapter.zip" in text or "ADAPTER.zip" in text or "model.zip" in text:
            self._download()
        return _JOB.sub(lambda _: self._job(), text)

    def _known(self, kind: str, address: str, make: Callable[[], str]) -> str:
        there = self._ids.get(kind)
        if not there or not requests.get(f"{self.stack.url}{address.format(there)}", timeout=60).ok:
            self._ids[kind] = make()
        return self._ids[kind]

    def _job(self) -> str:
        return self._known("job", "/jobs/{}", self._train)

    def _upload(self) -> str:
        return self.stack.upload(self.folder / "training_data.zip")

    def _train(self) -> str:
        file_id = self._known("file", "/files/{}/rows", self._upload)
        held_out = self.stack.upload(self.folder / "held_out.zip")
        body = _QUICK | {
            "job_name": "apples",
            "data_file_id": file_id,
            "evaluation_file_id": held_out,
            "fresh": True,
        }
        body["training_config"] = body["training_config"] | {"evaluation_steps": 1}
        response = requests.post(f"{self.stack.url}/train", json=body, timeout=60)
        response.raise_for_status()
        job = self.stack.wait(response.json()["job_id"])
        assert job["status"] == "completed", job
        return str(job["job_id"])

    def _compare(self) -> str:
        file_id = self._known("file", "/files/{}/rows", self._upload)
        url = f"{self.stack.url}/jobs/{self._job()}/evaluate"
        response = requests.post(url, json={"file_id": file_id}, timeout=60)
        response.raise_for_status()
        return str(response.json()["evaluation_id"])

    def _download(self) -> None:
        download = requests.get(f"{self.stack.url}/jobs/{self._job()}/download", timeout=60)
        download.raise_for_status()
        for name in ("adapter.zip", "ADAPTER.zip", "apple_counting_model.zip"):
            (self.folder / name).write_bytes(download.content)

    def _end_jobs(self) -> None:
        """What a snippet left in training would hold up the next."""
        for job in requests.get(f"{self.stack.url}/jobs", timeout=60).json():
            if job["status"] == "training":
                requests.delete(f"{self.stack.url}/jobs/{job['job_id']}", timeout=60)
                self.stack.wait(job["job_id"])

    def _write_pictures(self, data: Path) -> None:
        with zipfile.ZipFile(data) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".png"))
            with archive.open(name) as file:
                picture = Image.open(file).convert("RGB")
        for target in ("apples.jpg", "apples.png", "photo.jpg"):
            picture.save(self.folder / target)
        shelf = self.folder / "shelf"
        shelf.mkdir()
        picture.save(shelf / "first.png")
        with zipfile.ZipFile(self.folder / "shelf.zip", "w") as archive:
            archive.write(shelf / "first.png", "shelf/first.png")

    def _write_faulty(self) -> None:
        with zipfile.ZipFile(self.folder / "faulty.zip", "w") as archive:
            rows = ["images_path,question,answer", "apple2.png,How many apples?,3"]
            archive.writestr("main.csv", "\n".join(rows))

    def _write_coco(self) -> None:
        coco = self.folder / "coco"
        coco.mkdir()
        with Image.open(self.folder / "apples.png") as picture:
            picture.save(coco / "coins.png")
            width, height = picture.size
        image = {"id": 1, "file_name": "coins.png", "width": width, "height": height}
        box = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "iscrowd": 0, "area": 400}
        objects = {
            "images": [image],
            "categories": [{"id": 1, "name": "coin"}],
            "annotations": [{"id": number, **box} for number in (1, 2, 3)],
        }
        (coco / "instances.json").write_text(json.dumps(objects))
