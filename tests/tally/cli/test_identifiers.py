"""Jobs, uploads and comparisons by the beginning of an id, or by a name."""

from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally

OTHER = {"job_id": "job-2", "job_name": "pears", "created_at": "2025-01-21T10:30:00"}


@pytest.fixture(autouse=True)
def _two_jobs(gateway: FakeGateway) -> None:
    gateway.other_jobs = [gateway.job | OTHER]


@pytest.mark.parametrize("called", ["job-1", "apples"])
def test_a_job_by_its_name(tally: Tally, gateway: FakeGateway, called: str) -> None:
    assert tally("cancel", called).stdout.startswith("Cancelled job-1.")
    assert tally("delete", "job", called, "--yes").stdout == "Deleted the job job-1.\n"
    assert (gateway.cancelled, gateway.deleted) == (["job-1"], ["job-1"])


def test_the_beginning_of_several_lists_them(tally: Tally, gateway: FakeGateway) -> None:
    ended = tally("cancel", "job")
    assert ended.exit_code == 1
    assert ended.stderr == (
        "Error: job may be any of 2 jobs; write more of the id of one:\n"
        "  job-2  pears  completed, 2025-01-21T10:30:00\n"
        "  job-1  apples  completed, 2025-01-20T10:30:00\n"
    )
    assert gateway.cancelled == []


def test_a_name_that_several_have_lists_them(tally: Tally, gateway: FakeGateway) -> None:
    gateway.other_jobs[0]["job_name"] = "apples"
    assert "apples may be any of 2 jobs" in tally("cancel", "apples").stderr


def test_what_nothing_is_called_is_the_gateways_to_refuse(tally: Tally) -> None:
    ended = tally("job", "plums")
    assert (ended.exit_code, ended.stderr) == (1, "Error: there is no job plums\n")


def test_a_whole_id_is_not_looked_for(tally: Tally, gateway: FakeGateway) -> None:
    whole = "2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33"
    tally("cancel", whole)
    assert (gateway.cancelled, gateway.listed) == ([whole], [])


def test_uploads_and_comparisons_too(tally: Tally, gateway: FakeGateway, tmp_path: Path) -> None:
    assert tally("rows", "file").exit_code == 0
    assert tally("comparison", "ev").exit_code == 0
    assert tally("cancel", "eval").stdout.startswith("Cancelled eval-1.")
    assert tally("train", "--data", "fi").exit_code == 0
    assert gateway.trained[-1]["data_file_id"] == "file-1"
    picture = tmp_path / "a.png"
    picture.write_bytes(b"picture")
    assert tally("predict", picture, "How many?", "--job", "apples").exit_code == 0
    assert gateway.forms[-1]["job_id"] == "job-1"
