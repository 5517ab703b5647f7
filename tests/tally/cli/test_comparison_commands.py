"""Comparisons: of jobs and of adapters, asked for, shown and saved."""

import json
from pathlib import Path

import pytest

from tally.cli.commands import comparisons
from tests.fakes.gateway import FakeGateway
from tests.fakes.gateway_answers import EVALUATION
from tests.tally.cli.conftest import Tally

PROGRESS = [
    ("evaluation_progress", {"answered": 216, "total": 432}),
    ("evaluation_progress", {"answered": 432, "total": 432}),
    ("ended", {"status": "completed", "error_message": None}),
]


@pytest.fixture
def adapter_zip(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.zip"
    path.write_bytes(b"PK adapter")
    return path


@pytest.fixture(autouse=True)
def progress(gateway: FakeGateway) -> None:
    gateway.events = PROGRESS


def test_a_jobs_own_comparison_is_shown(tally: Tally, gateway: FakeGateway) -> None:
    lines = tally("compare", "job-1").stdout.splitlines()
    assert lines[:3] == [
        "n=216\tbase\tadapter\tdifference",
        "exact rate\t0.43 [0.36, 0.50]\t0.96 [0.93, 0.98]\t+0.53 [+0.46, +0.60]",
        "within one\t0.90\t0.90\t–",
    ]
    assert lines[-1] == "warning: the adapter answers 4 in 93 % of the images"
    assert gateway.evaluated == []


def test_a_job_is_compared_on_other_data(
    tally: Tally, gateway: FakeGateway, data_zip: Path, tmp_path: Path
) -> None:
    html, csv = tmp_path / "new" / "r.html", tmp_path / "r.csv"
    options = ("--data", data_zip, "--html", html, "--csv", csv, "--json")
    ended = tally("compare", "job-1", *options)
    assert json.loads(ended.stdout)["evaluation"] == EVALUATION
    assert "comparison 432/432" in ended.stderr
    assert gateway.evaluated == [{"file_id": "file-1"}]
    assert (html.read_text(), csv.read_text()) == ("html of eval-1", "csv of eval-1")


def test_a_jobs_best_adapter_is_compared_on_data_that_is_named(
    tally: Tally, gateway: FakeGateway
) -> None:
    options = ("--checkpoint", "best")
    assert tally("compare", "job-1", "--data", "file-7", *options).exit_code == 0
    assert gateway.evaluated == [{"file_id": "file-7", "checkpoint": "best"}]
    ended = tally("compare", "job-1", *options)
    assert ended.exit_code == 1
    assert "name --data" in ended.stderr


def test_an_adapter_is_compared(tally: Tally, gateway: FakeGateway, adapter_zip: Path) -> None:
    ended = tally("compare", adapter_zip, "--data", "file-7", "--max-new-tokens", "12")
    assert ended.exit_code == 0
    assert "exact rate\t0.43" in ended.stdout
    assert gateway.uploads == [("adapter.zip", b"PK adapter")]
    assert gateway.forms == [{"file_id": "file-7", "max_new_tokens": "12"}]


def test_details_have_counts_matrix_and_worst(tally: Tally) -> None:
    said = tally("compare", "job-1", "--details").stdout
    assert "true count\tn\texact: base\tadapter" in said
    assert "apples\t40\t0.43\t0.96\t0.50\t0.50" in said
    assert "calibration\tbase\tadapter\nexpected error\t0.12\t0.12\n" in said
    assert "0.9–1.0\t210\t0.95\t0.90\n" in said
    assert "0.95\t0.80\t0.97\n0.99\t0.00\t–\n" in said
    assert "\t4\t9\tno count\n9\t6\t7\t1\n" in said
    assert "17\t9\t–\t4\tHow many apples?\tA photo of 4 apples" in said


def test_no_wait_only_asks(tally: Tally, gateway: FakeGateway) -> None:
    gateway.comparison_status = "running"
    ended = tally("compare", "job-1", "--data", "file-1", "--no-wait")
    assert (ended.exit_code, ended.stdout) == (0, "Started comparison eval-1\n")
    assert gateway.last_event_ids == []


def test_a_comparison_that_fails_says_why(tally: Tally, gateway: FakeGateway) -> None:
    gateway.events = [("ended", {"status": "failed", "error_message": "other base model"})]
    ended = tally("compare", "job-1", "--data", "file-1")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert (
        ended.stderr.splitlines()[-1]
        == "Error: Comparison eval-1 ended as failed: other base model"
    )


def test_ctrl_c_leaves_the_comparison(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparisons, "watch_comparison", interrupted)
    ended = tally("compare", "job-1", "--data", "file-1")
    assert ended.exit_code == 130
    assert "`tally comparison eval-1` shows it" in ended.stderr


def test_a_comparison_is_waited_for(tally: Tally, gateway: FakeGateway) -> None:
    gateway.comparison_status = "running"
    ended = tally("comparison", "eval-1", "--json")
    assert json.loads(ended.stdout)["evaluation_id"] == "eval-1"
    assert gateway.last_event_ids == [None]


def test_comparisons_are_listed(tally: Tally) -> None:
    assert "eval-1\tjob-1\tcompleted" in tally("comparisons", "--job", "job-1").stdout
    assert json.loads(tally("comparisons", "--json").stdout)[0]["evaluation_id"] == "eval-1"


def test_a_report_is_three_files(tally: Tally, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    ended = tally("report", "job-1", "-o", folder, "--json")
    assert json.loads((folder / "evaluation.json").read_text()) == EVALUATION
    assert (folder / "evaluation.html").read_text() == "html of job-1"
    assert (folder / "evaluation.csv").read_text() == "csv of job-1"
    assert {Path(path).parent for path in json.loads(ended.stdout)["paths"]} == {folder}


def test_without_a_comparison_there_is_no_report(tally: Tally, tmp_path: Path) -> None:
    ended = tally("report", "job-0", "-o", tmp_path / "report")
    assert ended.exit_code == 1
    assert ended.stderr == "Error: there is no comparison\n"
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.zip", "--data", "file-1"), "There is no file missing.zip."),
        (("job-1", "--data", "missing.zip"), "There is no file missing.zip."),
        (("job-1", "--model", "x"), "is compared with its own settings"),
    ],
)
def test_mistakes_are_named(tally: Tally, arguments: tuple[str, ...], message: str) -> None:
    ended = tally("compare", *arguments)
    assert ended.exit_code == 1
    assert message in ended.stderr


def test_an_adapter_needs_data(tally: Tally, gateway: FakeGateway, adapter_zip: Path) -> None:
    ended = tally("compare", adapter_zip)
    assert (ended.exit_code, gateway.uploads) == (1, [])
    assert "What is it to be compared on? Name it: --data" in ended.stderr


def test_a_path_that_can_not_be_written_is_known_first(
    tally: Tally, gateway: FakeGateway, adapter_zip: Path
) -> None:
    ended = tally("compare", "job-1", "--data", "file-1", "--html", adapter_zip / "r.html")
    assert (ended.exit_code, gateway.evaluated) == (1, [])
    assert "can't be written" in ended.stderr
