"""Metrics and samples of a job's steps."""

import json
from dataclasses import fields
from pathlib import Path

from tally.cli.commands import steps
from tally.cli.show import comparison_tables, curves
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tests.fakes.gateway import FakeGateway, step_data
from tests.fakes.gateway_answers import SAMPLES
from tests.tally.cli.conftest import Tally


def test_metrics_are_a_table_of_the_last_steps(tally: Tally) -> None:
    lines = tally("metrics", "job-1", "--last", "2").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["step", "2", "3"]
    assert "0.8\t0.5\t\t\t\t\t0.25\t" in lines[1]


def test_what_is_measured_by_name_has_a_column_for_each_name(
    tally: Tally, gateway: FakeGateway
) -> None:
    step = step_data(1, 1)
    step |= {"parts": {"exact": 0.5, "format": 0.25}, "alone": {"exact": 0.5}}
    gateway.events = [("step", step)]
    header, row = tally("metrics", "job-1").stdout.splitlines()
    assert header.split("\t")[-2:] == ["exact", "format"]
    assert row.split("\t")[-2:] == ["0.5", "0.25"]


def test_the_columns_are_metrics_that_there_are() -> None:
    stated = {field.name for field in fields(StepMetrics)}
    assert set(steps._COLUMNS.values()) <= {"step", *stated}
    assert {name for name, _ in curves._CURVES} <= stated
    scores = {field.name for field in fields(EvaluationScores)}
    assert set(comparison_tables._FIGURES.values()) == scores


def test_metrics_as_json_are_all(tally: Tally) -> None:
    steps = json.loads(tally("metrics", "job-1", "--last", "1", "--json").stdout)
    assert [step["step"] for step in steps] == [1, 2, 3]


def test_what_is_held_out_is_a_curve_of_its_own(tally: Tally, gateway: FakeGateway) -> None:
    scored = {
        "step": 4, "exact_rate": 0.5, "intervals": {"exact_rate": [0.25, 0.75]}, "num_samples": 8,
        "median_absolute_count_error": None, "is_best": True,
    }  # fmt: skip
    gateway.events = [("step", step_data(4, 8)), ("held_out", scored)]
    lines = tally("metrics", "job-1", "--held-out").stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["step", "exact", "from", "to"]
    assert lines[1:] == ["4\t0.5\t0.25\t0.75\t\t8\tyes"]
    assert json.loads(tally("metrics", "job-1", "--held-out", "--json").stdout) == [scored]


def test_curves_are_drawn(tally: Tally, gateway: FakeGateway, tmp_path: Path) -> None:
    path = tmp_path / "new" / "curves.png"
    assert tally("metrics", "job-1", "--curves", path).exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    gateway.events = []
    ended = tally("metrics", "job-1", "--curves", path)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "has done no step yet" in ended.stderr


def test_samples_are_a_line_each(tally: Tally) -> None:
    assert tally("samples", "job-1").stdout.splitlines() == [
        "step 3",
        "  row 17: How many apples? (true count 3)",
        "        3  reward      1  A photo of 3 apples [2J",
        "        –  reward      –  many apples",
    ]
    assert json.loads(tally("samples", "job-1", "--json").stdout) == SAMPLES
