"""A short load on a real stack: what must hold however slow the machine is."""

from dataclasses import replace
from pathlib import Path

from bench.gateway_load.phases import Phase, Phases
from bench.gateway_load.plan import QUICK
from bench.gateway_load.reads import reading_paths
from bench.gateway_load.run import run
from gateway.settings import MIB

MOST_GROWTH_BYTES = 128 * MIB


def test_reads_are_of_every_route_that_ends():
    endpoints = ["GET /jobs", "GET /jobs/{job_id}", "GET /jobs/{job_id}/events", "POST /train"]
    assert reading_paths(endpoints, {"job_id": "7"}) == ["/jobs", "/jobs/7"]


def _phase(steps: int) -> Phase:
    return Phase(seconds=10, steps=steps, cpu_seconds=1, rest_bytes=1, peak_bytes=1, end_bytes=1)


def test_a_load_is_held_against_the_rests_around_it():
    phases = Phases(0, lambda: 0, print)
    names = ("quiet 1", "reads", "quiet 2", "uploads", "quiet 3")
    phases.by_name = dict(zip(names, map(_phase, (50, 36, 30, 18, 10)), strict=True))
    assert phases.pace("reads") == 0.9
    assert phases.pace("uploads") == 0.9
    assert phases.pace("quiet 2") == 1.0


def test_a_loaded_gateway_answers_and_keeps_neither_memory_nor_slots(tmp_path: Path):
    plan = replace(QUICK, quiet_seconds=0.1, upload_bytes=64 * MIB)
    outcome = run(plan, tmp_path, tell=lambda text: None)
    assert [one for one in outcome.answers if one.status != 200] == []
    assert len(outcome.answers) == plan.reads_per_second * plan.reading_seconds
    assert {"/jobs", "/healthz", "/evaluations"} <= {one.path for one in outcome.answers}
    assert outcome.uploads == [200] * plan.uploads
    assert plan.uploads * plan.upload_bytes > MOST_GROWTH_BYTES
    by_name = outcome.phases.by_name
    assert list(by_name)[1::2] == ["reads", "uploads", "watchers"]
    for phase in by_name.values():
        assert phase.growth_bytes < MOST_GROWTH_BYTES
    seen = [(one.watching, one.refused_beyond) for one in outcome.rounds]
    assert seen == [(plan.watchers, True)] * plan.rounds
