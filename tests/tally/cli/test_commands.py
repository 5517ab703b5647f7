"""The commands against a fake gateway: what they send, print and end with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tally.cli.main import app
from tests.fakes.gateway import EVALUATION, RESULT, FakeGateway
from tests.tally.cli.conftest import Tally


def test_upload_prints_the_file_id_and_warnings(tally: Tally, data_zip: Path) -> None:
    ended = tally("upload", data_zip)
    assert ended.exit_code == 0
    assert "apples.zip: 9 rows, 9 valid images, file_id file-1" in ended.stdout
    assert "warning: images/spare.jpg: no row names it" in ended.stdout


def test_train_sends_settings_and_uploads_zips(
    tally: Tally, gateway: FakeGateway, data_zip: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"training_config": {"num_epochs": 50, "seed": 43}, "lora_config": {"r": 8}}'
    )
    ended = tally(
        *("train", "--data", data_zip, "--evaluate", "file-7", "--name", "apples"),
        *("--config", config, "--set", "training_config.num_epochs=3"),
        *("--set", "loss_type=grpo"),
    )
    assert ended.stdout == "Started job job-1\n"
    assert gateway.trained == [
        {
            "training_config": {"num_epochs": 3, "seed": 43, "loss_type": "grpo"},
            "lora_config": {"r": 8},
            "job_name": "apples",
            "data_file_id": "file-1",
            "evaluation_file_id": "file-7",
        }
    ]


def test_train_and_watch_shows_steps_and_the_comparison(tally: Tally) -> None:
    ended = tally("train", "--data", "file-1", "--watch")
    assert ended.exit_code == 0
    assert "step 3/3  reward 0.80  exact 0.50" in ended.stdout
    assert "A broken checkpoint was passed over." in ended.stdout
    assert "exact rate\t0.43 [0.36, 0.50]\t0.96 [0.93, 0.98]\t+0.53" in ended.stdout


def test_watch_goes_on_after_a_lost_connection(tally: Tally, gateway: FakeGateway) -> None:
    gateway.drop_events_after = [3]
    gateway.job["status"] = "training"
    assert tally("watch", "job-1").exit_code == 0
    assert gateway.last_event_ids == [None, "3"]


def test_watch_of_a_failed_job_ends_with_1(tally: Tally, gateway: FakeGateway) -> None:
    gateway.events = [("ended", {"status": "failed", "error_message": "out of memory"})]
    ended = tally("watch", "job-1")
    assert ended.exit_code == 1
    assert ended.stderr == "Error: Job job-1 ended as failed: out of memory\n"


def test_watch_of_a_failed_job_shows_the_end_of_its_log(tally: Tally, gateway: FakeGateway) -> None:
    gateway.events = [("ended", {"status": "failed", "error_message": "out of memory"})]
    gateway.log = "".join(f"line {number}\n" for number in range(1, 31))
    ended = tally("watch", "job-1")
    assert ended.exit_code == 1
    shown = [f"line {number}" for number in range(11, 31)]
    error = "Error: Job job-1 ended as failed: out of memory"
    assert ended.stderr.splitlines() == ["--- the end of the job's log", *shown, "---", error]


def test_watch_of_a_cancelled_job_shows_no_log(tally: Tally, gateway: FakeGateway) -> None:
    gateway.events = [("ended", {"status": "cancelled", "error_message": ""})]
    gateway.log = "line 1\n"
    assert tally("watch", "job-1").stderr == "Error: Job job-1 ended as cancelled.\n"


@pytest.mark.parametrize(
    ("job", "ended", "shown"),
    [
        ({}, {}, ["Completed after 3 steps; `tally download job-1` fetches the adapter."]),
        ({"best_step": 3}, {}, []),
        ({"best_step": 2}, {}, ["what was held out step 2 has answered most; `tally"]),
        ({}, {"end_reason": "no_improvement"}, ["after 3 steps, since none of the last"]),
        ({"warning": "no_variety"}, {}, ["warning: its last steps taught nothing"]),
    ],
)  # fmt: skip
def test_watch_says_how_a_job_ended_that_was_completed(
    tally: Tally, gateway: FakeGateway, job: dict, ended: dict, shown: list[str]
) -> None:
    gateway.job |= job
    gateway.events[-1] = ("ended", {"status": "completed", "error_message": "", **ended})
    said = tally("watch", "job-1")
    assert said.exit_code == 0
    assert all(one in said.stdout for one in shown)
    assert ("step 2 has answered most" in said.stdout) == (job == {"best_step": 2})


def test_a_job_that_taught_nothing_is_listed_with_that(tally: Tally, gateway: FakeGateway) -> None:
    gateway.job["warning"] = "no_variety"
    assert "job-1\tapples\tcompleted, no_variety\t3/3" in tally("jobs").stdout


def test_the_best_adapter_is_downloaded_under_its_name(
    tally: Tally, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tally("download", "job-1", "--checkpoint", "best").exit_code == 0
    assert gateway.downloaded == ["best"]
    assert (tmp_path / "job-1.best.zip").exists()
    assert tally("download", "job-1", "--checkpoint", "first").exit_code == 2


def test_logs_prints_the_last_lines(tally: Tally, gateway: FakeGateway) -> None:
    gateway.log = "one\ntwo\nthree \x1b[2J\n"
    ended = tally("logs", "job-1", "--lines", "2")
    assert (ended.exit_code, ended.stdout) == (0, "two\nthree \N{REPLACEMENT CHARACTER}[2J\n")


def test_logs_of_a_job_without_a_worker_says_so(tally: Tally) -> None:
    ended = tally("logs", "job-1")
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "no worker of it has begun" in ended.stderr


def test_watch_as_json_prints_a_line_for_each_event(tally: Tally, gateway: FakeGateway) -> None:
    lines = [json.loads(line) for line in tally("watch", "job-1", "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(gateway.events) + 1))
    assert lines[-1]["event"] == "ended"


def test_jobs_is_a_table(tally: Tally) -> None:
    assert "job-1\tapples\tcompleted\t3/3\t0.1250\t2025-01-20T10:30:00" in tally("jobs").stdout


def test_a_job_that_waits_has_its_place(tally: Tally, gateway: FakeGateway) -> None:
    gateway.job |= {"status": "training", "queue_position": 2, "estimated_start": None}
    assert tally("jobs").stdout.endswith("\t2\tred\n")
    gateway.job["estimated_start"] = "2025-01-20T10:45:00"
    assert tally("jobs").stdout.endswith("\t2, about 2025-01-20T10:45:00\tred\n")


def test_job_shows_its_comparison(tally: Tally) -> None:
    assert "status\tcompleted" in tally("job", "job-1").stdout
    assert json.loads(tally("job", "job-1", "--json").stdout)["evaluation"] == EVALUATION


def test_every_list_has_json(tally: Tally, gateway: FakeGateway, data_zip: Path) -> None:
    assert json.loads(tally("jobs", "--json").stdout) == [gateway.job]
    assert json.loads(tally("files", "--json").stdout)[0]["file_id"] == "file-1"
    assert json.loads(tally("upload", data_zip, "--json").stdout)["csv_rows"] == 9
    started = tally("train", "--data", data_zip, "--json").stdout
    assert json.loads(started)["job_id"] == "job-1"
    assert json.loads(tally("cancel", "job-1", "--json").stdout)["status"] == "cancelled"


def test_cancel_names_the_job(tally: Tally, gateway: FakeGateway) -> None:
    assert tally("cancel", "job-1").exit_code == 0
    assert gateway.cancelled == ["job-1"]


def test_download_writes_the_file(tally: Tally, tmp_path: Path) -> None:
    ended = tally("download", "job-1", "-o", tmp_path / "adapter.zip")
    assert ended.exit_code == 0
    assert (tmp_path / "adapter.zip").read_bytes() == RESULT
    assert f"{len(RESULT):,} bytes" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--data", "missing.zip"), "There is no file missing.zip."),
        (("train", "--data", "file-1", "--set", "num_epochs"), "is not of the form"),
        (("train", "--data", "f", "--set", "num_epoch=3"), "mean training_config.num_epochs?"),
        (("train", "--data", "f", "--set", "lr=3"), "mean training_config.learning_rate?"),
        (("train", "--data", "f", "--set", "zzz=3"), "There is no setting zzz; `tally settings`"),
        (("train", "--set", "seed=3"), "What is it to train on? Name it: --data"),
        (("train", "--data", "f", "--preset", "fast"), "there are quick, balanced."),
        (("job", "job-9"), "there is no job job-9"),
    ],
)
def test_mistakes_are_named(tally: Tally, arguments: tuple[str, ...], message: str) -> None:
    ended = tally(*arguments)
    assert ended.exit_code == 1
    assert message in ended.stderr


def test_a_config_that_is_no_json_is_named(tally: Tally, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    ended = tally("train", "--data", "file-1", "--config", tmp_path / "config.json")
    assert "can't be read as JSON" in ended.stderr


def test_url_and_token_are_options_too(gateway: FakeGateway) -> None:
    gateway.token = "secret"
    refused = CliRunner().invoke(app, ["--url", gateway.url, "jobs"])
    taken = CliRunner().invoke(app, ["--url", gateway.url, "--token", "secret", "jobs"])
    assert (refused.exit_code, taken.exit_code) == (1, 0)
    assert "asks for a token; give it with --token or TALLY_TOKEN" in refused.stderr


def test_rewards_are_explained_with_what_is_wrong_with_them(tally: Tally) -> None:
    rows = [line.split("\t") for line in tally("rewards").stdout.splitlines()]
    assert rows == [
        ["reward", "package", "meaning"],
        ["exact", "built in", "1 for the true count."],
        ["short", "a 1", "The shorter, the better [2J."],
        ["lost", "b 2", "can't be used: it cannot be loaded: KeyError"],
    ]
    assert json.loads(tally("rewards", "--json").stdout)[1]["package"] == "a 1"
