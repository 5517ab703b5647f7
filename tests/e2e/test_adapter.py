"""The adapter that is handed back is the one that was trained: PEFT alone answers the same."""

import base64
import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import openai
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
from tally.samples.dataset import write_dataset
from tally.samples.small_policy import POLICY_PATH, load_policy
from tally.torch_compat import startup_path
from tests.waiting import PATIENCE_SECONDS

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
    """A job whose held-out comparison, and curve, are over its own training images."""
    config = TRAINING | {"max_image_size": 112, "max_new_tokens": 12, "evaluation_steps": 3}
    body = {
        "job_name": "with a comparison",
        "data_file_id": file_id,
        "evaluation_file_id": file_id,
        "training_config": config,
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
    base, _, _ = load_policy()
    return generated_answers(PeftModel.from_pretrained(base, adapter).eval(), questions)


def generated_answers(model: Any, questions: list[Question]) -> list[list[int]]:
    """Greedy token ids by transformers' own generate."""
    _, tokenizer, processor = load_policy()
    image_token_id = model.config.image_token_id
    builder = PromptBuilder(tokenizer, image_token_id)
    answers = []
    for question in questions:
        ids = torch.tensor([builder.prompt_ids(question.text, 16)])
        output = model.generate(
            input_ids=ids,
            mm_token_type_ids=(ids == image_token_id).int(),
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


def run_the_cards_snippet(folder: Path) -> str:
    """What the Python of the card in `folder` prints, run as a user would."""
    card = (folder / "README.md").read_text()
    snippet = card.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(startup_path()), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_cards_snippet_answers_as_the_service(
    stack, evaluated: dict, questions: list[Question], tmp_path: Path
):
    url = f"{stack.url}/jobs/{evaluated['job_id']}"
    download = requests.get(f"{url}/download", timeout=30).content
    zipfile.ZipFile(io.BytesIO(download)).extractall(tmp_path)
    # The base by its name, as from the hub.
    (tmp_path / POLICY_PATH.name).symlink_to(POLICY_PATH)
    picture = tmp_path / "picture.jpg"
    questions[0].image.resize((300, 200)).save(picture)
    asked = requests.post(
        f"{stack.url}/predict",
        files={"image": picture.read_bytes()},
        data={"question": "How many apples are in this image?", "job_id": evaluated["job_id"]},
        timeout=60,
    )
    assert run_the_cards_snippet(tmp_path) == asked.json()["adapter"]["text"]


def test_merged_weights_answer_as_base_and_adapter(
    stack, evaluated: dict, questions: list[Question], tmp_path: Path
):
    url = f"{stack.url}/jobs/{evaluated['job_id']}/download"
    for form in ("adapter", "merged"):
        download = requests.get(url, params={"form": form}, timeout=120).content
        zipfile.ZipFile(io.BytesIO(download)).extractall(tmp_path / form)
    merged, _, _ = load_policy(tmp_path / "merged")
    assert generated_answers(merged.eval(), questions) == peft_answers(
        tmp_path / "adapter", questions
    )
    picture = tmp_path / "merged" / "picture.jpg"
    questions[0].image.save(picture)
    asked = requests.post(
        f"{stack.url}/predict",
        files={"image": picture.read_bytes()},
        data={"question": "How many apples are in this image?", "job_id": evaluated["job_id"]},
        timeout=60,
    )
    assert run_the_cards_snippet(tmp_path / "merged") == asked.json()["adapter"]["text"]


def test_the_best_checkpoint_is_the_one_that_its_own_curve_says(
    stack, evaluated: dict, questions: list[Question], tmp_path: Path
):
    job_id = evaluated["job_id"]
    curve = stack.get(f"/jobs/{job_id}/metrics")["evaluations"]
    rates = {point["step"]: point["exact_rate"] for point in curve}
    assert list(rates) == [3, 6, 9, 12]
    best_step = max(rates, key=rates.__getitem__)
    assert evaluated["best_step"] == best_step
    url = f"{stack.url}/jobs/{job_id}/download?checkpoint=best"
    download = requests.get(url, timeout=120).content
    zipfile.ZipFile(io.BytesIO(download)).extractall(tmp_path)
    state = json.loads((tmp_path / "trainer_state.json").read_text())
    assert state["global_step"] == best_step
    _, tokenizer, _ = load_policy()
    said = [
        tokenizer.decode(answer, skip_special_tokens=True)
        for answer in peft_answers(tmp_path, questions)
    ]
    right = sum(text == question.answer for text, question in zip(said, questions, strict=True))
    assert rates[best_step] == pytest.approx(right / len(questions))
    asked = requests.post(
        f"{stack.url}/predict",
        files={"image": to_png(questions[0].image)},
        data={"question": questions[0].text, "job_id": job_id, "checkpoint": "best"},
        timeout=60,
    )
    assert asked.json()["adapter"]["text"] == said[0]
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="none") as client:
        url = f"data:image/png;base64,{base64.b64encode(to_png(questions[0].image)).decode()}"
        image = {"type": "image_url", "image_url": {"url": url}}
        content = [image, {"type": "text", "text": questions[0].text}]
        reply = client.chat.completions.create(
            model=f"{job_id}:best", messages=[{"role": "user", "content": content}]
        )
    assert reply.choices[0].message.content == said[0]


@pytest.fixture(scope="module")
def other_data(stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("other") / "other.zip"
    write_dataset(path, scenes=12, seed=9)
    return stack.upload(path)


@pytest.fixture(scope="module")
def beginnings(stack, evaluated: dict, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The adapter as a job may name it: by its job, and as an upload."""
    parent = evaluated["job_id"]
    path = tmp_path_factory.mktemp("uploaded") / "adapter.zip"
    path.write_bytes(requests.get(f"{stack.url}/jobs/{parent}/download", timeout=30).content)
    return {"adapter_job_id": parent, "adapter_file_id": stack.upload(path)}


def answer_table(stack, job_id: str) -> tuple[list[dict[str, str]], list[float]]:
    """The rows of a held-out comparison, and their probabilities apart."""
    table = requests.get(f"{stack.url}/jobs/{job_id}/evaluation.csv", timeout=30).text
    rows = list(csv.DictReader(io.StringIO(table)))
    return rows, [float(row.pop("probability")) for row in rows]


@pytest.mark.parametrize("given", ["adapter_job_id", "adapter_file_id"])
def test_a_job_that_begins_with_it_starts_at_its_held_out_rate(
    stack, beginnings: dict[str, str], file_id: str, other_data: str, given: str
):
    parent, begins = beginnings["adapter_job_id"], beginnings[given]
    # One step that moves nothing: what is compared then is what it began with.
    config = TRAINING | {"max_steps": 1, "learning_rate": 1e-12}
    body = {
        "job_name": "trained on",
        "data_file_id": other_data,
        "evaluation_file_id": file_id,
        "training_config": config | {"max_image_size": 112, "max_new_tokens": 12},
        given: begins,
    }
    response = requests.post(f"{stack.url}/train", json=body, timeout=30)
    assert response.ok, response.text
    job = stack.wait(response.json()["job_id"])
    assert job["status"] == "completed", job
    assert job[given] == begins
    (answers, probabilities), (parents, parent_probabilities) = (
        answer_table(stack, one) for one in (job["job_id"], parent)
    )
    assert answers == parents
    # What an answer is batched with moves its probability in the seventh digit.
    assert probabilities == pytest.approx(parent_probabilities, abs=1e-5)
    own = stack.get(f"/jobs/{job['job_id']}/evaluation")
    assert own["adapter"] == stack.get(f"/jobs/{parent}/evaluation")["adapter"]
    assert own["adapter"] != own["base"]
    output = Path(job["output_dir"])
    named = f"the job {parent}" if given == "adapter_job_id" else "an uploaded adapter"
    assert named in (output / "README.md").read_text().replace("\\", "")


def test_the_metrics_hold_every_step_and_a_tiny_gap_to_the_engine(stack, evaluated: dict):
    steps = stack.get(f"/jobs/{evaluated['job_id']}/metrics")["steps"]
    assert [step["step"] for step in steps] == list(range(1, 13))
    assert max(step["log_probability_gap"] for step in steps) < 1e-4
    assert all(0 <= step["exact_rate"] <= 1 for step in steps)
