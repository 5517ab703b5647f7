"""The adapter that is handed back is the one that was trained: PEFT alone answers the same."""

import io
import zipfile
from pathlib import Path

import pytest
import requests
import torch
from peft import PeftModel
from PIL import Image

from learner_service.prompts import PromptBuilder
from samples.small_policy import load_policy

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


def greedy_answer(model, tokenizer, processor, question: str, image: Image.Image) -> str:
    inputs = processor(images=[image], return_tensors="pt")
    builder = PromptBuilder(tokenizer, model.config.image_token_id)
    ids = torch.tensor([builder.prompt_ids(question, 16)])
    types = (ids == model.config.image_token_id).int()
    output = model.generate(
        input_ids=ids, mm_token_type_ids=types, **inputs, max_new_tokens=12, do_sample=False
    )
    return tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)


def test_peft_loads_the_download_and_scores_what_the_rollout_service_scored(
    stack, evaluated: dict, training_zip: Path, tmp_path: Path
):
    assert evaluated["status"] == "completed", evaluated
    url = f"{stack.url}/jobs/{evaluated['job_id']}"
    download = requests.get(f"{url}/download", timeout=30).content
    zipfile.ZipFile(io.BytesIO(download)).extractall(tmp_path)
    base, tokenizer, processor = load_policy()
    model = PeftModel.from_pretrained(base, tmp_path).eval()
    right = 0
    with zipfile.ZipFile(training_zip) as archive:
        rows = archive.read("main.csv").decode().splitlines()[1:]
        for row in rows:
            name, question, answer = row.split(",")
            image = Image.open(io.BytesIO(archive.read(f"images/{name}"))).convert("RGB")
            said = greedy_answer(model, tokenizer, processor, question, image)
            right += said.split()[3] == answer.split()[3]
    comparison = stack.get(f"/jobs/{evaluated['job_id']}/evaluation")
    assert comparison["num_samples"] == len(rows)
    assert comparison["adapter"]["exact_rate"] == pytest.approx(right / len(rows))


def test_the_metrics_hold_every_step_and_a_tiny_gap_to_the_engine(stack, evaluated: dict):
    steps = stack.get(f"/jobs/{evaluated['job_id']}/metrics")["steps"]
    assert [step["step"] for step in steps] == list(range(1, 13))
    assert max(step["log_probability_gap"] for step in steps) < 1e-4
    assert all(0 <= step["exact_rate"] <= 1 for step in steps)
