"""The adapter that is handed back is the one that was trained: PEFT alone answers the same."""

import csv
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import requests
import torch
from peft import PeftModel
from PIL import Image

from learner_service.data.images import to_png
from learner_service.data.prompts import PromptBuilder
from learner_service.job_folder.layout import JobFolder
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.rpc.digests import digest_of
from tally.samples.small_policy import load_policy

TRAINING = {
    "num_epochs": 4,
    "learning_rate": 2e-3,
    "batch_size": 6,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "use_4bit": False,
}


@pytest.fixture(scope="module")
def evaluated(stack, file_id: str) -> dict:
    """A job whose held-out comparison is over its own training images."""
    body = {
        "job_name": "with a comparison",
        "data_file_id": file_id,
        "evaluation_file_id": file_id,
        "training_config": TRAINING | {"max_image_size": 112, "max_new_tokens": 12},
        "lora_config": {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0},
    }
    response = requests.post(f"{stack.url}/train", json=body, timeout=30)
    return stack.wait(response.json()["job_id"])


@dataclass(frozen=True)
class Question:
    """A row of the training ZIP with its decoded image."""

    text: str
    answer: str
    image: Image.Image


@pytest.fixture(scope="module")
def questions(training_zip: Path) -> list[Question]:
    with zipfile.ZipFile(training_zip) as archive:
        rows = csv.DictReader(io.StringIO(archive.read("main.csv").decode()))
        return [
            Question(
                row["question"],
                row["answer"],
                Image.open(io.BytesIO(archive.read(f"images/{row['images_path']}"))).convert("RGB"),
            )
            for row in rows
        ]


def peft_answers(adapter: Path, questions: list[Question]) -> list[list[int]]:
    """Greedy token ids by PEFT and transformers' own generate."""
    base, tokenizer, processor = load_policy()
    model = PeftModel.from_pretrained(base, adapter).eval()
    builder = PromptBuilder(tokenizer, base.config.image_token_id)
    answers = []
    for question in questions:
        ids = torch.tensor([builder.prompt_ids(question.text, 16)])
        output = model.generate(
            input_ids=ids,
            mm_token_type_ids=(ids == base.config.image_token_id).int(),
            **processor(images=[question.image], return_tensors="pt"),
            max_new_tokens=12,
            do_sample=False,
        )
        answers.append(output[0, ids.shape[1] :].tolist())
    return answers


def service_answers(stack, adapter_digest: str, questions: list[Question]) -> list[list[int]]:
    """Greedy token ids of the running rollout service, for the images that the job staged."""
    _, tokenizer, _ = load_policy()
    builder = PromptBuilder(tokenizer, tokenizer.convert_tokens_to_ids(QWEN2_5_VL.image_token))
    sampling = rollout_pb2.SamplingParameters(temperature=0, max_new_tokens=12)
    answers = []
    with grpc.insecure_channel(stack.target("rollout")) as channel:
        stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        for question in questions:
            request = rollout_pb2.GenerateRequest(
                prompt_token_ids=builder.prompt_ids(question.text, 16),
                image_digest=digest_of(to_png(question.image)),
                adapter_digest=adapter_digest,
                num_completions=1,
                sampling=sampling,
            )
            (completion,) = stub.Generate(request, timeout=60, metadata=stack.shown).completions
            answers.append(list(completion.token_ids))
    return answers


def test_peft_loads_the_download_and_answers_as_the_rollout_service(
    stack, evaluated: dict, questions: list[Question], tmp_path: Path
):
    assert evaluated["status"] == "completed", evaluated
    url = f"{stack.url}/jobs/{evaluated['job_id']}"
    download = requests.get(f"{url}/download", timeout=30).content
    zipfile.ZipFile(io.BytesIO(download)).extractall(tmp_path)
    folder = JobFolder.of_job(stack.data_dir / "learner", evaluated["job_id"])
    answers = peft_answers(tmp_path, questions)
    assert answers == service_answers(stack, folder.adapters.last, questions)
    _, tokenizer, _ = load_policy()
    said = [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    right = sum(text == question.answer for text, question in zip(said, questions, strict=True))
    comparison = stack.get(f"/jobs/{evaluated['job_id']}/evaluation")
    assert comparison["num_samples"] == len(questions)
    assert comparison["adapter"]["exact_rate"] == pytest.approx(right / len(questions))


def test_the_metrics_hold_every_step_and_a_tiny_gap_to_the_engine(stack, evaluated: dict):
    steps = stack.get(f"/jobs/{evaluated['job_id']}/metrics")["steps"]
    assert [step["step"] for step in steps] == list(range(1, 13))
    assert max(step["log_probability_gap"] for step in steps) < 1e-4
    assert all(0 <= step["exact_rate"] <= 1 for step in steps)
