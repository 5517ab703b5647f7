"""A few random blows on a real stack: `python -m bench.faults` strikes hundreds of them."""

from pathlib import Path

from bench.faults.run import run
from bench.faults.schedule import draw_schedule


def test_a_seed_draws_the_same_blows_however_many():
    assert draw_schedule(7, 40)[:5] == draw_schedule(7, 5) != draw_schedule(8, 5)


def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(tmp_path: Path):
    told: list[str] = []
    outcome = run(draw_schedule(1, 6), seed=1, folder=tmp_path, tell=told.append)
    assert outcome.holds, (outcome, told)
    assert sum(outcome.hits.values()) == 6
    assert outcome.jobs.get("completed", 0) >= 3
