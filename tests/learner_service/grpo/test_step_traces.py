"""The trace of a step: what is in it, what it is linked to, and that every process is in it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learner_service.grpo.step_traces import StepTraces
from learner_service.ranks import Ranks
from tally.traces.spans import span, trace_id_of
from tests.learner_service.training import Training, training
from tests.tracing import Recorded, Span, subtree, traced_here

GENERATE = "tally.rollout.v1.RolloutService/Generate"
SCORE = "tally.reward.v1.RewardService/Score"


def steps_of(recorded: Recorded) -> list[Span]:
    return sorted(recorded.named("step"), key=lambda one: one.attributes["tally.step"])


def run(path: Path, folder: Path, **changes: object) -> tuple[Recorded, Training]:
    """A training within a job's trace, all of it traced."""
    with (
        traced_here("worker") as recorded,
        span("job"),
        training(path, folder, max_steps=3, num_rows=12, **changes) as running,
    ):
        running.trainer.train()
    return recorded, running


@pytest.mark.parametrize("staleness", [0, 1])
def test_each_step_is_a_trace_of_its_own_with_all_that_it_took(
    random_policy_path: Path, tmp_path: Path, staleness: int
):
    changes = {"staleness": staleness, "save_steps": 2}
    recorded, running = run(random_policy_path, tmp_path, **changes)
    (job,), steps = recorded.named("job"), steps_of(recorded)
    assert [one.attributes["tally.step"] for one in steps] == [1, 2, 3]
    assert len({one.trace_id for one in (job, *steps)}) == 4
    for step, done in zip(steps, running.steps, strict=True):
        assert (step.parent_id, step.linked_traces) == ("", (job.trace_id,))
        assert trace_id_of(done.traceparent) == step.trace_id
        names = [one.name for one in subtree(recorded.spans, step)]
        # Of two passes with two groups each; a pass without variance is not learnt from.
        assert names.count("sample") == names.count("reward") == 4
        assert names.count(GENERATE) == 8, "of both ends"
        # With a staleness groups of two steps may be scored together, in the trace of the first.
        assert staleness or (names.count(SCORE) >= 2 and "score" in names)
        assert "learn" in names
    with_checkpoint = [one.trace_id for one in recorded.named("checkpoint")]
    assert with_checkpoint == [steps[1].trace_id, steps[2].trace_id]
    # What is published at a step is sampled with by the one that is `staleness` later.
    assert len(recorded.named("publish")) == 3 - staleness


def test_a_job_that_is_not_traced_tells_no_trace(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path, max_steps=1) as running:
        running.trainer.train()
    assert [done.traceparent for done in running.steps] == [""]


def test_what_has_begun_ends_with_the_training():
    with traced_here() as recorded:
        traces = StepTraces(Ranks.alone())
        begun = traces.begin(range(2))
        traces.enter(0)
        assert not recorded.spans
        traces.enter(1)
        assert [one.attributes["tally.step"] for one in steps_of(recorded)] == [1]
        traces.close()
    assert [trace_id_of(begun[n]) for n in range(2)] == [s.trace_id for s in steps_of(recorded)]


def test_all_processes_of_a_job_are_in_the_steps_trace():
    other: Any = SimpleNamespace(is_first=False)
    with traced_here() as recorded:
        first, second = StepTraces(Ranks.alone()), StepTraces(other)
        assert second.begin(range(1)) == {}
        begun = first.begin(range(1))
        for traces in (first, second):
            traces.join(begun)
            traces.enter(0)
            with span("learn"):
                pass
            traces.close()
    (step,), (own,) = recorded.named("step"), recorded.named("step of a process")
    assert (own.trace_id, own.parent_id) == (step.trace_id, step.span_id)
    assert [one.parent_id for one in recorded.named("learn")] == [step.span_id, own.span_id]
