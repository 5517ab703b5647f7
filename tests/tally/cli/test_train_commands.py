"""What a training is asked for with: presets, settings, what was; and resume."""

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_a_preset_lies_below_the_file_and_the_options(
    tally: Tally, gateway: FakeGateway, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"training_config": {"seed": 8}, "job_name": "pears"}')
    options = ("--preset", "quick", "--config", config, "--set", "r=4")
    assert tally("train", "--data", "file-1", *options).exit_code == 0
    assert gateway.trained == [
        {
            "training_config": {"num_epochs": 5, "seed": 8},
            "lora_config": {"r": 4},
            "job_name": "pears",
            "data_file_id": "file-1",
        }
    ]


def test_a_priority_is_part_of_the_body(tally: Tally, gateway: FakeGateway) -> None:
    assert tally("train", "--data", "file-1", "--priority", "-3").exit_code == 0
    assert gateway.trained[0]["priority"] == -3


def test_tags_are_part_of_the_body(tally: Tally, gateway: FakeGateway) -> None:
    tags = ("--tag", "red", "--tag", "small run")
    assert tally("train", "--data", "file-1", *tags).exit_code == 0
    assert gateway.trained[0]["tags"] == ["red", "small run"]


@pytest.mark.parametrize(
    ("named", "begun"),
    [
        ("job-7", {"adapter_job_id": "job-7"}),
        ("weights-1", {"adapter_file_id": "weights-1"}),
        ("b.zip", {"adapter_file_id": "file-1"}),
    ],
)
def test_an_adapter_to_begin_with_is_a_job_an_upload_or_a_zip(
    tally: Tally, gateway: FakeGateway, data_zip: Path, named: str, begun: dict[str, str]
) -> None:
    path = data_zip.rename(data_zip.with_name("b.zip"))
    option = path if named == "b.zip" else named
    best = ("--set", "adapter_checkpoint=best")
    ended = tally("train", "--data", "file-1", "--adapter", option, *best)
    assert ended.exit_code == 0, ended.output
    [body] = gateway.trained
    found = {name: value for name, value in body.items() if name.startswith("adapter_")}
    assert found == begun | {"adapter_checkpoint": "best"}


def test_a_job_may_be_told_to_begin_from_nothing(tally: Tally, gateway: FakeGateway) -> None:
    assert tally("train", "--data", "file-1", "--set", "fresh=true").exit_code == 0
    assert gateway.trained[0]["fresh"] is True


def test_settings_that_are_refused_cost_no_upload(
    tally: Tally, gateway: FakeGateway, data_zip: Path
) -> None:
    gateway.refuses_settings = "training_config.seed: is too large"
    ended = tally("train", "--data", data_zip, "--set", "seed=99999999999")
    assert (ended.exit_code, gateway.uploads, gateway.trained) == (1, [], [])
    assert "training_config.seed: is too large" in ended.stderr


def test_a_gateway_without_presets_says_so(tally: Tally, gateway: FakeGateway) -> None:
    gateway.has_page = False
    ended = tally("train", "--data", "file-1", "--preset", "quick")
    assert (ended.exit_code, gateway.trained) == (1, [])
    assert "has no presets; use --set or --config" in ended.stderr


def test_the_settings_of_a_job_are_a_config(
    tally: Tally, gateway: FakeGateway, tmp_path: Path
) -> None:
    config = tmp_path / "job.json"
    config.write_text(tally("settings", "job-1", "--json").stdout)
    assert tally("train", "--config", config, "--set", "evaluation_share=0.2").exit_code == 0
    same = {"job_name": "apples", "data_file_id": "file-1", "lora_config": {"r": 8}}
    assert gateway.trained == [same | {"evaluation_share": 0.2}]


def test_a_value_where_settings_belong_is_named(tally: Tally, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"lora_config": 5}')
    ended = tally("train", "--data", "file-1", "--config", config, "--set", "r=3")
    assert "lora_config holds a value, not settings" in ended.stderr


def test_settings_explains_every_setting(tally: Tally) -> None:
    lines = [line.split("\t") for line in tally("settings").stdout.splitlines()]
    rows = {line[0]: line[1:] for line in lines}
    assert rows["training_config.epsilon_low"][:2] == ["0.2", "above 0, below 1"]
    assert rows["training_config.use_4bit"][:2] == ["true", "true | false"]
    assert rows["lora_config.r"] == ["64", "from 1, up to 512", "Rank."]
    assert "data_file_id" not in rows
    listed = json.loads(tally("settings", "--json").stdout)
    assert {one["name"] for one in listed} == set(rows) - {"setting"}


def test_settings_of_a_job_is_a_table(tally: Tally) -> None:
    assert "lora_config.r\t8\n" in tally("settings", "job-1").stdout


def test_resume_sends_the_same_again(tally: Tally, gateway: FakeGateway) -> None:
    gateway.job["status"] = "cancelled"
    assert tally("resume", "job-1").stdout == "Started job job-1, to go on from job-1\n"
    assert json.loads(tally("resume", "job-1", "--json").stdout)["job_id"] == "job-1"
    same = {"job_name": "apples", "data_file_id": "file-1", "lora_config": {"r": 8}}
    resumed = same | {"resume_from_job_id": "job-1", "fresh": False}
    assert gateway.trained == [resumed, resumed]


@pytest.mark.parametrize(
    ("job_id", "status", "message"),
    [
        ("job-1", "training", "has not ended; `tally watch job-1` shows it"),
        ("job-1", "completed", "is completed, so there is nothing"),
        ("eval-1", "cancelled", "is a comparison; ask for it again"),
    ],
)
def test_what_can_not_be_resumed(
    tally: Tally, gateway: FakeGateway, job_id: str, status: str, message: str
) -> None:
    gateway.job |= {"job_id": job_id, "status": status}
    ended = tally("resume", job_id)
    assert (ended.exit_code, gateway.trained) == (1, [])
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("cancelled", "Cancelled job-1."),
        ("completed", "job-1 is completed; there is nothing"),
        ("failed", "job-1 has failed already; `tally resume job-1`"),
    ],
)
def test_cancel_says_how_it_stands(
    tally: Tally, gateway: FakeGateway, status: str, message: str
) -> None:
    gateway.status_after_cancel = status
    assert tally("cancel", "job-1").stdout.startswith(message)
