"""The user's document, as it stands: its example, its fields, its output folder."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerState

from tests.stack import Stack, running_stack

# The example of the document; only the host is another.
EXAMPLE = """
import requests
import json

# 上傳數據
with open('training_data.zip', 'rb') as f:
    response = requests.post(
        'http://localhost:8000/upload-data',
        files={'file': f}
    )
file_id = response.json()['file_id']

# 開始訓練
training_config = {
    "job_name": "apple_counting_model",
    "data_file_id": file_id,
    "training_config": {
        "num_epochs": 30,
        "learning_rate": 5e-5,
        "batch_size": 1
    }
}

response = requests.post(
    'http://localhost:8000/train',
    json=training_config
)
job_id = response.json()['job_id']

# 查詢狀態
status_response = requests.get(f'http://localhost:8000/jobs/{job_id}')
print(status_response.json())
"""
JOB_TYPES = {
    "job_id": str,
    "job_name": str,
    "status": str,
    "progress": float,
    "current_step": int,
    "total_steps": int,
    "loss": float | None,
    "created_at": str,
    "error_message": str | None,
    "output_dir": str,
}
OUTPUT_FILES = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "training_args.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "trainer_state.json",
}
ADDED_FILES = {"README.md", "processor_config.json", "chat_template.jinja"}


def assert_documented(job: dict) -> None:
    for key, expected in JOB_TYPES.items():
        assert isinstance(job[key], expected), (key, job[key])
    assert job["status"] in {"training", "completed", "failed", "cancelled"}
    datetime.strptime(job["created_at"], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """As `tally up` is without an option."""
    with running_stack(tmp_path_factory.mktemp("default_stack")) as stack:
        yield stack


@pytest.fixture(scope="module")
def example(stack, training_zip: Path, tmp_path_factory) -> dict:
    """What the example leaves behind in its variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(training_zip.parent)
        variables: dict = {"print": lambda *_: None}
        exec(EXAMPLE.replace("http://localhost:8000", stack.url), variables)
    return variables


@pytest.fixture(scope="module")
def completed(stack, example: dict) -> dict:
    assert_documented(example["status_response"].json())
    return stack.wait(example["job_id"])


def test_the_example_trains_with_the_documented_defaults(completed: dict):
    assert_documented(completed)
    assert completed["status"] == "completed", completed
    # 18 rows, batches of 1 and 8 accumulation steps: 3 steps an epoch, 30 epochs.
    assert (completed["current_step"], completed["total_steps"]) == (90, 90)
    assert completed["progress"] == 100.0


def test_learner_and_replicas_hold_the_base_in_one_precision(stack, completed: dict):
    """The documented defaults are nothing to be warned of."""
    events = requests.get(f"{stack.url}/jobs/{completed['job_id']}/events", timeout=30).text
    assert "event: ended" in events
    assert "event: notice" not in events


def test_every_listing_has_the_documented_keys(stack, completed: dict):
    for job in stack.get("/jobs"):
        assert_documented(job)
    uploaded = stack.get("/files")[0]
    assert {"file_id", "filename", "upload_time", "csv_rows", "valid_images"} <= set(uploaded)
    assert (uploaded["csv_rows"], uploaded["valid_images"]) == (18, 18)


def test_the_download_holds_the_seven_documented_files(stack, completed: dict, tmp_path: Path):
    response = requests.get(f"{stack.url}/jobs/{completed['job_id']}/download", timeout=30)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert set(archive.namelist()) == OUTPUT_FILES | ADDED_FILES
        arguments = json.loads(archive.read("training_args.json"))
        state = TrainerState.load_from_json(archive.extract("trainer_state.json", tmp_path))
    assert arguments["training_config"]["use_4bit"] is True
    assert arguments["lora_config"] == {"r": 64, "lora_alpha": 128.0, "lora_dropout": 0.05}
    assert state.global_step == 90
    assert len([row for row in state.log_history if "reward_mean" in row]) == 90
    written = {path.name for path in Path(completed["output_dir"]).iterdir()}
    assert written == OUTPUT_FILES | ADDED_FILES


def test_the_operators_tracker_has_every_step(stack, completed: dict):
    recorded = EventAccumulator(
        str(stack.data_dir / "learner" / "tensorboard" / completed["job_id"])
    )
    recorded.Reload()
    values = {scalar.step: scalar.value for scalar in recorded.Scalars("train/reward_mean")}
    steps = stack.get(f"/jobs/{completed['job_id']}/metrics")["steps"]
    assert values == pytest.approx({step["step"]: step["reward_mean"] for step in steps})
    assert "apple_counting_model" in str(recorded.Tensors("args/text_summary"))
