"""docs/direct-use.md as it stands: its Python, and its commands, called through reflection."""

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import grpc
import pytest

from tally.cli.stack.services import DEFAULT_MODEL
from tally.samples.dataset import write_dataset
from tests.e2e.reflection import ReflectedServer
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

DOCUMENT = (ROOT / "docs" / "direct-use.md").read_text()
PORTS = {"50051": "reward", "50052": "rollout", "50053": "learner"}


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
    """The document's text with this stack's addresses, its secret and its model."""
    for port, service in PORTS.items():
        text = text.replace(f"localhost:{port}", stack.target(service))
    # As the document says of services that share a secret.
    text = text.replace("timeout=", f"metadata={stack.shown}, timeout=")
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


def commands(stack: Stack, number: int) -> list[list[str]]:
    """The words of each grpcurl command of a block, less the redirection of its input."""
    text = here(stack, blocks("sh")[number]).replace("\\\n", "")
    return [shlex.split(line.partition(" < ")[0]) for line in text.splitlines()]


def answer(stack: Stack, words: list[str], sent: str = "{}") -> Any:
    """What a grpcurl command brings, by Python: names, the fields of a message, or a response."""
    assert words[:2] == ["grpcurl", "-plaintext"]
    if words[2] == "-d":
        sent = sent if words[3] == "@" else words[3]
        words = words[2:]
    target, *verb = words[2:]
    with grpc.insecure_channel(target) as channel:
        server = ReflectedServer(channel, stack.shown)
        match verb:
            case ["list"]:
                return server.services()
            case ["describe", name]:
                return [field.name for field in server.message(name).fields]
            case [method]:
                return server.call(method, json.loads(sent))


def test_score_by_reflection_answers_as_documented(stack: Stack):
    (command,) = commands(stack, 0)
    (expected,) = blocks("json")
    assert answer(stack, command) == json.loads(expected)


def test_reflection_shows_services_messages_and_the_model(stack: Stack):
    rewards, services, fields, model = (answer(stack, words) for words in commands(stack, 1))
    assert "progressive_count" in {reward["name"] for reward in rewards["rewards"]}
    assert "tally.rollout.v1.RolloutService" in services
    assert "prompt_token_ids" in fields
    assert model["base_model"] == Path(DEFAULT_MODEL).name


def test_score_in_python_prints_what_it_says(stack: Stack, tmp_path: Path):
    code = blocks("python")[0]
    assert python(stack, tmp_path, code).strip() == code.strip().rpartition("# ")[2]
    assert len([line for line in code.splitlines() if line]) <= 10


def test_generate_by_reflection_samples_from_the_picture(stack: Stack, folder: Path):
    (command,) = commands(stack, 2)
    completions = answer(stack, command, (folder / "request.json").read_text())["completions"]
    assert len(completions) == 4
    for completion in completions:
        assert len(completion["token_ids"]) == len(completion["log_probabilities"])
        assert completion["finish_reason"] in ("FINISH_REASON_STOP", "FINISH_REASON_LENGTH")


def test_generate_in_python_prints_four_answers(stack: Stack, folder: Path):
    answers = python(stack, folder, blocks("python")[2]).splitlines()
    assert len(answers) == 4
    assert all(answer.startswith("A photo of") for answer in answers)


def test_every_block_of_the_document_is_run():
    assert (len(blocks("sh")), len(blocks("python")), len(blocks("json"))) == (3, 3, 1)
