"""`tally preflight`: what it says, and its exit code."""

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_it_sends_what_train_would(tally: Tally, gateway: FakeGateway, data_zip: Path) -> None:
    options = ("--set", "num_epochs=3", "--evaluate", "file-7")
    assert tally("preflight", data_zip, *options).exit_code == 0
    assert gateway.trained == []
    assert gateway.dry_runs == [
        {
            "training_config": {"num_epochs": 3},
            "job_name": "counting_model",
            "data_file_id": "file-1",
            "evaluation_file_id": "file-7",
        }
    ]


def test_it_says_all_of_it(tally: Tally) -> None:
    said = tally("preflight", "file-1").stdout
    assert "rows\t500 on 498 images; 450 to train on, 50 held out" in said
    assert "true counts\t1 (412), 2 (88)" in said
    assert "exact 0.43, within one 0.90, median error 0.50" in said
    assert "steps\t2850 in all, 57 an epoch, 64 answers each" in said
    assert "memory\t9.0 of 24.0 GiB on cuda: weights 3.0, adapter 2.0, activations 4.0" in said
    assert "time\t4 h 45 min, 6.0 s a step, by the steps of an earlier job" in said
    assert "warning: training_config.temperature: nearly all groups answer alike" in said
    assert "--set training_config.temperature=1.0 --set evaluation_share=0.2" in said


def test_what_is_not_known_is_said(tally: Tally, gateway: FakeGateway) -> None:
    gateway.preflight |= {"base": None, "time": None}
    said = tally("preflight", "file-1").stdout
    assert "base model\twas not asked" in said
    assert "time\tnothing to estimate it by" in said


@pytest.mark.parametrize(
    ("ok", "options", "code"), [(True, (), 0), (True, ("--strict",), 1), (False, (), 1)]
)
def test_the_exit_code_is_the_severity(
    tally: Tally, gateway: FakeGateway, ok: bool, options: tuple[str, ...], code: int
) -> None:
    gateway.preflight["ok"] = ok
    ended = tally("preflight", "file-1", *options)
    assert ended.exit_code == code
    assert ("Such a job would fail." in ended.stdout) == (not ok)


def test_json_is_all_of_standard_output(tally: Tally, gateway: FakeGateway, data_zip: Path) -> None:
    ended = tally("preflight", data_zip, "--json")
    assert json.loads(ended.stdout) == gateway.preflight
    assert "file_id file-1" in ended.stderr


def test_a_refusal_is_shown(tally: Tally, gateway: FakeGateway) -> None:
    where = {"where": "training_config.num_epochs", "message": "must be at least 1"}
    gateway.refusal = (422, {"detail": "1 problem", "errors": [where]})
    ended = tally("preflight", "file-1")
    assert ended.exit_code == 1
    assert "training_config.num_epochs: must be at least 1" in ended.stderr
