"""Spans of one process: what they are parts of, what they say, and that nothing is done without."""

import json
import logging
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tally.logs.fields import log_fields
from tally.logs.lines import JsonLines, TextLines
from tally.traces.spans import (
    add_span,
    begin_span,
    current_traceparent,
    in_trace,
    is_traced,
    new_trace,
    now_ns,
    record_error,
    span,
    trace_id_of,
)
from tests.tracing import running_collector, traced_here

ROOT = Path(__file__).parents[3]
ELSEWHERE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PROGRAM = """
import sys
from reward_service.settings import RewardSettings
from tally.traces.setup import trace_to
from tally.traces.spans import span

settings = RewardSettings.read()
with trace_to(settings.trace_endpoint, "reward"):
    with span("work"):
        pass
print("opentelemetry.sdk" in sys.modules)
"""


def run_program(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *options],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("OTEL_")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_span_within_another_is_a_part_of_it_and_says_what_it_concerns():
    with (
        traced_here("reward") as recorded,
        log_fields(job_id="one", attempt=2),
        span("outer"),
        span("inner", answers=3),
    ):
        pass
    inner, outer = recorded.spans
    assert (inner.parent_id, inner.trace_id) == (outer.span_id, outer.trace_id)
    assert (outer.service, outer.parent_id) == ("tally-reward", "")
    about = {"tally.job_id": "one", "tally.attempt": 2}
    assert (outer.attributes, inner.attributes) == (about, about | {"tally.answers": 3})


def test_an_error_is_recorded_on_every_span_that_it_ends():
    with (
        traced_here() as recorded,
        pytest.raises(ZeroDivisionError),
        span("outer"),
        span("inner"),
    ):
        raise ZeroDivisionError("no such share")
    assert [(one.errors, one.has_failed) for one in recorded.spans] == [
        (("ZeroDivisionError",), True)
    ] * 2


def test_an_error_that_was_dealt_with_is_recorded_and_fails_nothing():
    with traced_here() as recorded, span("work"):
        record_error(ValueError("later, then"))
    (work,) = recorded.spans
    assert (work.errors, work.has_failed) == (("ValueError",), False)


def test_a_new_trace_is_linked_to_the_one_around_it():
    with traced_here() as recorded, span("job"), new_trace("step"), span("learn"):
        pass
    learn, step, job = recorded.spans
    assert step.trace_id != job.trace_id
    assert (step.parent_id, step.linked_traces) == ("", (job.trace_id,))
    assert learn.parent_id == step.span_id


def test_a_traceparent_goes_on_elsewhere():
    with traced_here() as recorded:
        with in_trace(ELSEWHERE):
            assert current_traceparent() == ELSEWHERE
            with span("work"):
                pass
        add_span("earlier", now_ns(), now_ns(), ELSEWHERE)
        assert current_traceparent() == ""
    for one in recorded.spans:
        assert (one.trace_id, one.parent_id) == (trace_id_of(ELSEWHERE), ELSEWHERE.split("-")[2])


@pytest.mark.parametrize("told", ["", "x", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_is_no_traceparent_begins_a_trace(told: str):
    with traced_here() as recorded:
        if opened := begin_span("call", "server", parent=told, link=told):
            opened.end()
    (call,) = recorded.spans
    assert (call.parent_id, call.linked_traces) == ("", ())


def test_lines_of_the_log_say_the_trace_that_they_are_of():
    made = logging.LogRecord("x", logging.INFO, "x.py", 1, "done", (), None)
    with traced_here(), span("work"):
        trace_id = trace_id_of(current_traceparent())
        text, told = TextLines("reward").format(made), json.loads(JsonLines("reward").format(made))
    assert f" trace_id={trace_id} " in text
    assert told["trace_id"] == trace_id
    assert "trace_id" not in TextLines("reward").format(made)


def test_without_tracing_nothing_is_done():
    assert not is_traced()
    with span("outer"), in_trace(ELSEWHERE), new_trace("inner"):
        assert current_traceparent() == ""
        assert begin_span("call") is None
        add_span("earlier", now_ns(), now_ns(), ELSEWHERE)
        record_error(ValueError("not told"))


def test_without_an_endpoint_opentelemetry_is_not_even_imported():
    run = run_program()
    assert run.stdout == "False\n", run.stderr


@pytest.mark.parametrize("variable", [
    "TALLY_REWARD_TRACE_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
])  # fmt: skip
def test_a_collector_that_a_variable_names_gets_the_spans(variable: str):
    with running_collector() as collector:
        run = run_program(**{variable: collector.endpoint})
        assert run.returncode == 0, run.stderr
        assert [(one.service, one.name) for one in collector.spans] == [("tally-reward", "work")]


def test_the_services_own_setting_comes_first_and_an_empty_one_is_none():
    with running_collector() as collector:
        elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        run = run_program("--trace-endpoint", collector.endpoint, **elsewhere)
        assert (run.returncode, len(collector.spans)) == (0, 1), run.stderr
    assert run_program(TALLY_REWARD_TRACE_ENDPOINT="", OTEL_EXPORTER_OTLP_ENDPOINT="").stdout == (
        "False\n"
    )


@pytest.mark.parametrize("endpoint", ["collector:4317", "ftp://collector", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str):
    run = run_program("--trace-endpoint", endpoint)
    assert run.returncode == 2
    assert run.stderr.startswith("trace_endpoint: expected http://host:4317"), run.stderr


def test_a_collector_that_never_answers_holds_nothing_up_for_long():
    with running_collector() as collector:
        silent = threading.Event()
        collector.Export = lambda request, context: silent.wait()  # type: ignore[method-assign]
        run = run_program("--trace-endpoint", collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="600")
        silent.set()
    assert run.returncode == 0, run.stderr


def test_ids_are_no_part_of_what_a_job_seeds():
    with traced_here() as recorded:
        for _ in range(2):
            random.seed(7)
            with span("one"):
                pass
    first, second = recorded.spans
    assert first.trace_id != second.trace_id
    assert first.span_id != second.span_id
    random.seed(7)
    untouched = random.random()
    random.seed(7)
    with traced_here(), span("one"):
        assert random.random() == untouched
