"""A cluster of a few jobs and replicas: everything completes, and the queue's turns are real."""

from bench.cluster import adapters, jobs, replicas
from bench.cluster.decisions import milliseconds_per_decision
from bench.cluster.plan import QUICK, Scale
from bench.cluster.waiting_placement import WaitingPlacement

SCALE = Scale(jobs=5, gpus=2, replicas=3)


def test_no_more_rooms_are_given_than_there_are_gpus():
    placement = WaitingPlacement(2, 1, 0.0, "")
    rooms = [placement.acquire(None) for _ in range(3)]
    assert rooms[2] is None
    rooms[0].release()
    assert placement.acquire(None)


def test_all_jobs_complete_two_at_a_time():
    figures = jobs.measure(SCALE, QUICK)
    assert figures.events == SCALE.jobs * (4 * QUICK.steps + 2)
    assert figures.seconds >= figures.ideal_seconds == 3 * QUICK.steps * QUICK.step_seconds
    assert figures.learner_milliseconds_per_event > 0 < figures.gateway_milliseconds_per_event


def test_replicas_are_asked_and_fetch():
    assert replicas.measure(SCALE.replicas, QUICK).milliseconds_per_group > 0
    assert adapters.measure(SCALE.replicas, QUICK).mib_per_second > 0
    assert milliseconds_per_decision(10) > 0
