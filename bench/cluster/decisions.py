"""How long the queue takes to decide who goes on, by how many wait."""

import time

from learner_service.queue.order import Running, Waiting, choose_to_move, order

_OWNERS = 10
_PRIORITIES = 3
_RUNNING = 64


def milliseconds_per_decision(waiting: int) -> float:
    """With 64 jobs that run."""
    jobs = [
        Waiting(
            job_id=f"{number:08}",
            owner=f"owner {number % _OWNERS}",
            number=number,
            priority=number % _PRIORITIES,
        )
        for number in range(waiting)
    ]
    running = [
        Running(job_id=f"r{number}", owner=f"owner {number % _OWNERS}", number=number)
        for number in range(_RUNNING)
    ]
    served = {f"owner {number}": 60.0 * number for number in range(_OWNERS)}
    started, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - started < 0.5:
        first, *_ = order(jobs, running, served)
        choose_to_move(first, running)
        rounds += 1
    return 1e3 * (time.perf_counter() - started) / rounds
