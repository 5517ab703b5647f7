"""What events add up to, and how it is said."""

import io

import pytest
from rich.console import Console

from tally.cli.durations import describe_duration
from tally.cli.show.job_state import JobState
from tally.cli.show.progress import LiveDisplay, PlainDisplay
from tally.client import Event
from tests.fakes.gateway import completed_events, step_data


def _after(*events: tuple[str, dict]) -> JobState:
    state = JobState()
    for seq, (kind, data) in enumerate(events, start=1):
        state.apply(Event(kind=kind, seq=seq, data=data))
    return state


def test_a_step_is_described_with_the_time_left() -> None:
    state = _after(("step", step_data(10, 40)))
    assert state.describe() == (
        "step 10/40  reward 0.80  exact 0.50  loss 0.0500  2.0 s/step  1 min 00 s left"
    )


def test_metrics_that_are_null_are_left_out() -> None:
    data = {"step": 1, "total_steps": 0, "metrics": {"loss": None, "step_seconds": None}}
    assert _after(("step", data)).describe() == "step 1/?"


def test_a_job_that_waits_says_so() -> None:
    waiting = ("phase", {"phase": "waiting for rollout"})
    assert _after(waiting).describe() == "waiting for rollout"
    assert _after(("step", step_data(1, 2)), waiting).describe().endswith("(waiting for rollout)")


def test_a_completed_log_ends_with_an_evaluation() -> None:
    state = _after(*completed_events())
    assert (state.status, state.step, state.ended) == ("completed", 3, True)
    assert state.evaluation is not None
    assert state.evaluation["num_samples"] == 216


@pytest.mark.parametrize(("is_best", "end"), [(True, ", the best so far"), (False, "")])
def test_what_was_held_out_is_said_once(is_best: bool, end: str) -> None:
    scored = {
        "step": 40, "num_samples": 216, "exact_rate": 0.61, "is_best": is_best,
        "intervals": {"exact_rate": [0.544, 0.672], "reward_mean": None},
    }  # fmt: skip
    state = _after(("held_out", scored))
    assert state.notice == f"held out after step 40: exact 0.61 [0.54, 0.67], n=216{end}"
    state.apply(Event(kind="step", seq=2, data=step_data(41, 50)))
    assert state.notice == ""


def test_a_worker_says_what_it_goes_on_from() -> None:
    begun = _after(("worker", {"attempt": 1, "resumed_from_step": 0, "total_steps": 50}))
    assert (begun.step, begun.notice) == (0, "")
    resumed = _after(("worker", {"attempt": 2, "resumed_from_step": 40, "total_steps": 50}))
    assert (resumed.step, resumed.notice) == (40, "going on after step 40")


def test_the_comparison_is_counted() -> None:
    state = _after(("evaluation_progress", {"answered": 5, "total": 432}))
    assert state.describe() == "comparison 5/432"


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.4, "9 s"), (95, "1 min 35 s"), (4000, "1 h 06 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text


def test_plain_lines_come_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    display = PlainDisplay(clock=lambda: now[0])
    for step in range(1, 31):
        display.update(_after(("step", step_data(step, 30))))
        now[0] += 1.0
    said = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["1/30", "11/30", "21/30", "30/30"]


def test_the_live_bar_shows_every_figure_on_a_narrow_terminal() -> None:
    screen = io.StringIO()
    with LiveDisplay(Console(file=screen, force_terminal=True, width=80)) as display:
        display.update(_after(("step", step_data(100, 400))))
    bar, figures = screen.getvalue().splitlines()[-3:-1]
    assert "25%" in bar
    assert figures.endswith("10 min 00 s left")
