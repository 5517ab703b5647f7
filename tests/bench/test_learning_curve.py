"""What is said of learning curves, by hand; the hard task for a moment, and its policy."""

import json

import pytest

from bench import learning_curve
from bench.curve_tasks import HARD_POLICY_PATH
from bench.curves import Point, first_at, gain_goals, plateau
from tally.samples.batch import BatchMaker
from tally.samples.hard_scenes import draw_hard_scene
from tally.samples.small_policy import build_tokenizer, load_policy
from tally.samples.supervised import exact_rate


def run_of(*rates: float) -> list[Point]:
    """Of 20 answers, the first ones are right."""
    return [
        Point(step=10 * number, seconds=float(number), right=[i < 20 * rate for i in range(20)])
        for number, rate in enumerate(rates)
    ]


def test_a_goal_is_reached_where_the_rate_first_is():
    run = run_of(0.1, 0.6, 0.2, 0.6, 0.7)
    assert first_at(run, 0.5) == run[1]
    assert first_at(run, 0.5, neighbours=1) == run[3]
    assert first_at(run, 0.8) is None


def test_a_plateau_is_the_last_quarter():
    run = run_of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert plateau(run).exact_rate == pytest.approx(0.85)
    assert plateau(run, before=1).exact_rate == pytest.approx(0.65)
    assert plateau(run_of(0.1, 0.3), before=1).exact_rate == pytest.approx(0.3)
    assert plateau(run).right[17] == pytest.approx(0.5)


def test_all_sides_are_held_to_what_the_best_one_gains():
    low, high = [run_of(0.5, 0.6), run_of(0.5, 0.7)], [run_of(0.5, 0.9), run_of(0.5, 0.9)]
    goals = gain_goals([low, high])
    assert goals == {"half": pytest.approx(0.7), "nine tenths": pytest.approx(0.86)}


def test_the_hard_task_runs_for_a_moment(capsys: pytest.CaptureFixture[str]):
    options = ["--quick", "--untimed", "--estimator", "exact_counts", "--seeds", "7"]
    learning_curve.main(["--task", "hard", *options])
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(printed["figures"]) == {"kinds seen", "kinds unseen"}
    for figures in printed["figures"].values():
        assert set(figures["plateaus"]) == {"Tally, exact counts", "TRL"}
        assert set(figures["goals"]) == {"half", "nine tenths"}
        assert figures["curves"]["Tally, exact counts"]["curve"]["steps"] == [4, 8]
        assert 0.2 < figures["base"] < 0.8


def test_the_policy_for_hard_scenes_answers_about_half_of_them_rightly():
    model, _, _ = load_policy(HARD_POLICY_PATH)
    rate = exact_rate(model, BatchMaker(build_tokenizer()), draw_hard_scene, seed=7)
    assert 0.4 < rate < 0.6
