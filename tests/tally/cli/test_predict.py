"""`tally predict`: base and adapter side by side."""

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "apples.jpg"
    path.write_bytes(b"picture")
    return path


def test_both_answers_are_shown(tally: Tally, gateway: FakeGateway, image: Path) -> None:
    options = ("--job", "job-1", "--checkpoint", "best", "--max-image-size", "112")
    ended = tally("predict", image, "How many apples?", *options)
    assert ended.stdout.splitlines()[1:] == [
        "base\t–\tmany apples (no number in it)",
        "adapter\t5\tA photo of 5 apples",
    ]
    assert gateway.uploads == [("apples.jpg", b"picture")]
    asked = {"question": "How many apples?", "job_id": "job-1", "checkpoint": "best"}
    assert gateway.forms == [asked | {"max_image_size": "112"}]


def test_without_a_job_the_base_answers(tally: Tally, gateway: FakeGateway, image: Path) -> None:
    gateway.prediction["adapter"] = None
    assert "adapter" not in tally("predict", image, "How many?").stdout
    assert gateway.forms == [{"question": "How many?"}]


def test_json_is_the_answer(tally: Tally, gateway: FakeGateway, image: Path) -> None:
    ended = tally("predict", image, "How many?", "--json")
    assert json.loads(ended.stdout) == gateway.prediction


def test_failures_are_named(tally: Tally, gateway: FakeGateway, image: Path) -> None:
    missing = tally("predict", "missing.jpg", "How many?")
    assert (missing.exit_code, gateway.uploads) == (2, [])
    gateway.refusal = (409, {"detail": "the job has no adapter yet"})
    refused = tally("predict", image, "How many?", "--job", "job-1")
    assert refused.stderr == "Error: the job has no adapter yet\n"
