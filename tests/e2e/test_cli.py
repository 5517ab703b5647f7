"""Every command against real services, through a gateway with a token on another port."""

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tally.cli.stack.ports import free_port
from tally.cli.stack.stack_secret import secret_path
from tally.rpc.digests import digest_of_file
from tally.samples.dataset import write_dataset
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

TOKEN = "a secret"
SETTINGS = (
    "max_steps=2", "batch_size=4", "gradient_accumulation_steps=1", "temperature=1.0",
    "use_4bit=false", "max_image_size=112", "max_new_tokens=12", "r=8", "lora_alpha=16",
    "lora_dropout=0",
)  # fmt: skip
Tally = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def url(stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second gateway before the same services."""
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TALLY_GATEWAY_TOKEN": TOKEN,
        "TALLY_GATEWAY_PORT": str(port),
        "TALLY_GATEWAY_DATA_DIR": str(tmp_path_factory.mktemp("gateway")),
        "TALLY_GATEWAY_LEARNER__TARGET": stack.target("learner"),
        "TALLY_GATEWAY_REWARD__TARGET": stack.target("reward"),
        "TALLY_GATEWAY_SERVICES_SECRET_PATH": str(secret_path(stack.data_dir)),
    }
    process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment)
    try:
        wait_until(lambda: _asks_for_a_token(f"http://127.0.0.1:{port}/healthz"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _asks_for_a_token(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).status_code == 401
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def tally(url: str, tmp_path_factory: pytest.TempPathFactory) -> Tally:
    """Runs `tally …` as a user of a remote gateway does, in a folder of its own."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TALLY_URL": url,
        "TALLY_TOKEN": TOKEN,
    }
    folder = tmp_path_factory.mktemp("user")

    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tally.cli", *map(str, arguments)]
        ended = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert ended.returncode == code, (arguments, ended.stdout, ended.stderr)
        return ended

    return run


def answer(ended: subprocess.CompletedProcess[str]):
    """Standard output, which must be JSON and nothing else."""
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def data_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "fifty.zip"
    write_dataset(path, scenes=50, seed=7)
    return path


@pytest.fixture(scope="module")
def file_id(tally: Tally, data_zip: Path) -> str:
    return answer(tally("upload", data_zip, "--json"))["file_id"]


def setting_options(*settings: str) -> list[str]:
    return [word for one in (*SETTINGS, *settings) for word in ("--set", one)]


def wait_for_job(tally: Tally, job_id: str, is_enough: Callable[[dict], bool]) -> dict:
    def enough() -> dict | None:
        job = answer(tally("job", job_id, "--json"))
        return job if is_enough(job) else None

    return wait_until(enough, job_id)


@pytest.fixture(scope="module")
def job_id(tally: Tally, file_id: str) -> str:
    asked = setting_options("evaluation_steps=1")
    ended = tally("train", "--data", file_id, "--tag", "fifty", *asked, "--watch", "--json")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert lines[-1]["event"] == "ended"
    return lines[0]["job_id"]


def test_a_cancelled_job_goes_on(tally: Tally, file_id: str):
    asked = setting_options("max_steps=400", "save_steps=1")
    first = answer(tally("train", "--data", file_id, *asked, "--json"))["job_id"]
    wait_for_job(tally, first, lambda job: job["current_step"] >= 1)
    assert "Cancelled" in tally("cancel", first).stdout
    wait_for_job(tally, first, lambda job: job["status"] == "cancelled")
    again = answer(tally("resume", first, "--json"))["job_id"]
    job = wait_for_job(tally, again, lambda job: job["resumed_from_job_id"])
    assert job["resumed_from_job_id"] == first
    tally("cancel", again)
    assert "ended as cancelled" in tally("watch", again, code=1).stderr


def test_a_token_is_asked_for_and_what_to_do_is_said(tally: Tally, url: str):
    ended = tally("--token", "another", "jobs", code=1)
    assert f"The gateway at {url} takes another token; give it with --token" in ended.stderr


def test_data_is_listed_and_looked_at(tally: Tally, file_id: str, tmp_path: Path):
    assert file_id in [one["file_id"] for one in answer(tally("files", "--json"))]
    rows = answer(tally("rows", file_id, "--limit", 3, "--json"))["rows"]
    tally("picture", file_id, rows[0]["row"], "-o", tmp_path / "a.jpg", "--max-side", 64)
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")


def test_preflight_ends_by_severity(tally: Tally, file_id: str):
    found = answer(tally("preflight", file_id, "--preset", "quick", *setting_options(), "--json"))
    planned = {"steps_per_epoch": 12, "total_steps": 2, "completions_per_step": 16}
    assert (found["ok"], found["steps"]) == (True, planned)
    too_much = ("num_generations=64", "batch_size=1024", "max_new_tokens=512")
    ended = tally("preflight", file_id, *setting_options(*too_much), code=1)
    assert "what fits: --set training_config." in ended.stdout


def test_settings_are_the_gateways(tally: Tally, job_id: str):
    known = {one["name"]: one for one in answer(tally("settings", "--json"))}
    assert known["training_config.num_epochs"]["range"] == "from 1, up to 10,000"
    assert known["training_config.loss_type"]["range"] == "grpo | bnpo | dr_grpo | dapo | gspo"
    assert answer(tally("settings", job_id, "--json"))["training_config"]["max_steps"] == 2
    ended = tally("train", "--data", "x", "--set", "num_epoch=3", code=1)
    assert "did you mean training_config.num_epochs?" in ended.stderr


def test_a_job_is_shown(tally: Tally, job_id: str, tmp_path: Path):
    assert len(answer(tally("jobs", "--limit", 1, "--json"))) == 1
    assert job_id in tally("jobs").stdout
    assert answer(tally("job", job_id, "--json"))["evaluation"]["num_samples"] == 5
    steps = answer(tally("metrics", job_id, "--curves", tmp_path / "c.png", "--json"))
    assert [step["step"] for step in steps] == [1, 2]
    assert (tmp_path / "c.png").exists()
    scored = answer(tally("metrics", job_id, "--held-out", "--json"))
    assert [(one["step"], one["num_samples"]) for one in scored] == [(1, 5), (2, 5)]
    assert "reward" in tally("samples", job_id).stdout


def test_a_job_is_found_by_what_was_said_of_it(tally: Tally, job_id: str):
    tally("edit", job_id[:8], "--name", "fifty scenes", "--tag", "paper", "--notes", "For later.")
    for looked_for in (("later",), ("--tag", "paper"), ("fifty", "--status", "completed")):
        found = answer(tally("jobs", *looked_for, "--json"))
        assert [(one["job_id"], one["tags"]) for one in found] == [(job_id, ["fifty", "paper"])]
    assert answer(tally("job", "fifty scenes", "--json"))["notes"] == "For later."


def test_models_and_rewards_are_told_with_what_holds_for_them(tally: Tally):
    [model] = answer(tally("models", "--json"))
    assert model["is_default"]
    rewards = {one["name"] for one in answer(tally("rewards", "--json"))}
    assert {"relative_count", "tagged_answer"} <= rewards


def test_the_best_adapter_is_downloaded_in_the_weights_of_its_base(
    tally: Tally, job_id: str, tmp_path: Path
):
    asked = ("--checkpoint", "best", "--form", "merged")
    tally("download", job_id, *asked, "-o", tmp_path / "merged.zip")
    names = zipfile.ZipFile(tmp_path / "merged.zip").namelist()
    assert "model.safetensors" in names
    assert "adapter_model.safetensors" not in names


def test_a_folder_of_pictures_is_answered_into_a_table(
    tally: Tally, job_id: str, file_id: str, tmp_path: Path
):
    (tmp_path / "shelf").mkdir()
    for row in answer(tally("rows", file_id, "--limit", 2, "--json"))["rows"]:
        tally("picture", file_id, row["row"], "-o", tmp_path / "shelf" / f"{row['row']}.png")
    table, question = tmp_path / "counts.csv", "How many apples are in this image?"
    asked = (tmp_path / "shelf", question, "--job", job_id, "--checkpoint", "best")
    tally("predict", *asked, "--abstain-below", 1, "-o", table)
    with table.open(encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2
    assert all(0 < float(line["probability"]) < 1 and not line["count"] for line in lines)
    [asked_before] = answer(tally("predictions", "--json"))
    assert (asked_before["job_id"], asked_before["question"]) == (job_id, question)
    tally("delete", "prediction", asked_before["prediction_id"][:8], "--yes")
    assert answer(tally("predictions", "--json")) == []


def test_a_jobs_own_log_says_each_step(tally: Tally, job_id: str):
    lines = tally("logs", job_id).stdout.splitlines()
    said = [line for line in lines if f" INFO worker job_id={job_id} attempt=1 " in line]
    for what in ("2 steps to do", "step 1 of 2: reward ", "step 2 of 2: reward "):
        assert any(what in line for line in said), lines
    [last] = tally("logs", job_id, "--lines", 1).stdout.splitlines()
    assert last == lines[-1]


def test_an_adapter_is_downloaded_and_compared(
    tally: Tally, job_id: str, training_zip: Path, tmp_path: Path
):
    other = answer(tally("upload", training_zip, "--json"))["file_id"]
    adapter = tmp_path / "adapter.zip"
    tally("download", job_id, "-o", adapter)
    sizes = ("--max-image-size", 112, "--max-new-tokens", 12)
    page = tmp_path / "page.html"
    asked = ("compare", adapter, "--data", other, *sizes, "--html", page, "--json")
    strangers = answer(tally(*asked))["evaluation"]
    own = answer(tally("compare", job_id, "--data", other, "--json"))["evaluation"]
    assert strangers["num_samples"] == 18
    assert strangers["adapter"] == own["adapter"]
    assert page.read_text().startswith("<!doctype html>")
    assert len(answer(tally("comparisons", "--json"))) == 2


def test_a_report_is_saved(tally: Tally, job_id: str, tmp_path: Path):
    tally("report", job_id, "-o", tmp_path)
    tally("download", job_id, "-o", tmp_path / "adapter.zip")
    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        assert archive.read("evaluation.html") == (tmp_path / "evaluation.html").read_bytes()
    table = (tmp_path / "evaluation.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 5
    shown = tally("compare", job_id, "--details").stdout
    assert "n=5\tbase\tadapter\tdifference" in shown


def test_both_answer_a_picture(tally: Tally, job_id: str, file_id: str, tmp_path: Path):
    row = answer(tally("rows", file_id, "--limit", 1, "--json"))["rows"][0]
    picture = tmp_path / "a.png"
    tally("picture", file_id, row["row"], "-o", picture)
    given = answer(tally("predict", picture, row["question"], "--job", job_id, "--json"))
    assert given["base"]["text"]
    assert given["adapter"]["text"]


def test_what_is_deleted_is_gone_in_every_store(
    tally: Tally, stack: Stack, file_id: str, job_id: str, tmp_path: Path
):
    begun = ("--adapter", job_id, "--set", "adapter_checkpoint=best")
    ended = tally("train", "--data", file_id, *setting_options(), *begun, "--watch", "--json")
    gone_id = json.loads(ended.stdout.splitlines()[0])["job_id"]
    assert answer(tally("job", gone_id, "--json"))["adapter_job_id"] == job_id
    tally("download", gone_id, "-o", tmp_path / "adapter.zip")
    digest = digest_of_file(tmp_path / "adapter.zip")
    learner = stack.data_dir / "learner"
    places = [learner / "jobs" / gone_id, learner / "blobs" / digest[:2] / digest]
    assert all(place.exists() for place in places)
    tally("delete", "job", gone_id, "--yes")
    wait_until(lambda: not any(place.exists() for place in places))
    assert "there is no such job" in tally("job", gone_id, code=1).stderr
    uploaded = answer(tally("files", "--json"))
    tally("delete", "file", file_id, "--yes")
    assert len(answer(tally("files", "--json"))) == len(uploaded) - 1
