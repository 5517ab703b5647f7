"""A whole job for each family and engine: upload, train, download, and the adapter in PEFT."""

import csv
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from PIL import Image

from learner_service.data.images import fit_to_grid, to_png
from learner_service.job_folder.layout import JobFolder
from tally.families.registry import FAMILIES
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.rpc.digests import digest_of
from tally.samples.small_models import save_small_model
from tally.sampling.engine import Completion, FinishReason
from tests.rollout_service.support import Reference, generate_request
from tests.stack import Stack, running_stack

TRAINING = {
    "num_epochs": 1,
    "batch_size": 3,
    "gradient_accumulation_steps": 2,
    "learning_rate": 1e-2,
    "temperature": 1.0,
    "beta": 1e-4,  # nothing is skipped, so the gap is that of every completion
    "use_4bit": False,
}
SIDE_PIXELS = 112


@pytest.mark.parametrize("family", FAMILIES)
def test_a_job_through_the_torch_engine(family: str, tmp_path: Path, training_zip: Path):
    run_and_check_a_job(family, "transformers", tmp_path, training_zip)


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].vllm_adapts])
def test_a_job_through_vllm(family: str, tmp_path: Path, training_zip: Path):
    pytest.importorskip("vllm")
    run_and_check_a_job(family, "vllm", tmp_path, training_zip)


def run_and_check_a_job(family: str, engine: str, folder: Path, training_zip: Path) -> None:
    model, adapter = folder / family, folder / "adapter"
    save_small_model(family, model)
    reference = Reference(model)
    options = ("--model", str(model), "--engine", engine, "--no-use-4bit")
    with running_stack(folder / "stack", *options) as stack:
        job_id = stack.train(stack.upload(training_zip), **TRAINING)
        assert stack.wait(job_id)["status"] == "completed", stack.logs()
        steps = stack.get(f"/jobs/{job_id}/metrics")["steps"]
        assert [step["step"] for step in steps] == [1, 2, 3]
        assert max(step["log_probability_gap"] for step in steps) < 1e-4
        download(stack, job_id, adapter)
        adapted = reference.adapted_by(adapter)
        assert any(p.abs().max() > 1e-3 for n, p in adapted.named_parameters() if "lora_B" in n)
        digest = JobFolder.of_job(stack.data_dir / "learner", job_id).adapters.last
        question = first_question(training_zip, reference)
        for model, adapter_digest in ((reference.model, ""), (adapted, digest)):
            for c in answers(stack, engine, question, adapter_digest):
                expected = reference.logps(model, question.prompt, question.image, c, 1.0)
                assert c.log_probabilities == pytest.approx(expected, abs=1e-4)


def download(stack: Stack, job_id: str, folder: Path) -> None:
    archive = requests.get(f"{stack.url}/jobs/{job_id}/download", timeout=30).content
    zipfile.ZipFile(io.BytesIO(archive)).extractall(folder)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A row of the training data as a request asks about it; `image` is a PNG."""

    prompt: list[int]
    image: bytes


def first_question(training_zip: Path, reference: Reference) -> Question:
    with zipfile.ZipFile(training_zip) as archive:
        row = next(csv.DictReader(io.StringIO(archive.read("main.csv").decode())))
        picture = Image.open(archive.open(f"images/{row['images_path']}")).convert("RGB")
    fitted = fit_to_grid(picture, reference.grid, SIDE_PIXELS)
    prompt = reference.prompt(row["question"], reference.grid.tokens(*fitted.size))
    return Question(prompt=prompt, image=to_png(fitted))


def answers(stack: Stack, engine: str, question: Question, adapter: str) -> list[Completion]:
    """Of the replica itself, for the image that the job has staged."""
    request: Any = generate_request(
        question.prompt,
        image_digest=digest_of(question.image),
        adapter_digest=adapter,
        num_completions=4,
        max_new_tokens=12,
    )
    with grpc.insecure_channel(stack.target("rollout")) as channel:
        stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        asked = rollout_pb2.GetModelRequest()
        assert stub.GetModel(asked, timeout=60, metadata=stack.shown).engine == engine
        answered = stub.Generate(request, timeout=60, metadata=stack.shown).completions
    return [
        Completion(
            token_ids=tuple(c.token_ids),
            log_probabilities=tuple(c.log_probabilities),
            finish_reason=FinishReason.LENGTH,
            adapter_digest=c.adapter_digest,
        )
        for c in answered
    ]
