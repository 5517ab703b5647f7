"""What events add up to, and how it is said."""

import io

import pytest
from rich.console import Console

from tally.cli.client.events import Event
from tally.cli.client.job_state import JobState
from tally.cli.durations import describe_duration
from tally.cli.show.progress import LiveDisplay, PlainDisplay
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
