"""The order of the queue: a pure function of what waits, what runs, and who was served lately."""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A job that waits. `number` is the smaller, the earlier it was started; `has_begun` where it
    had its turn already, and was interrupted or made room."""

    job_id: str
    owner: str
    number: int
    priority: int = 0
    has_begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Running:
    """A job that runs. `may_move` where it can save, make room, and go on later."""

    job_id: str
    owner: str
    number: int
    priority: int = 0
    may_move: bool = True


def order(
    waiting: Iterable[Waiting],
    running: Iterable[Running],
    served_seconds: Mapping[str, float],
) -> list[Waiting]:
    """The jobs as they start one after another, if none ends meanwhile.

    By priority; then what has begun before what has not; then in turn among owners: first the one
    of whom fewer run, then the one with the fewest `served_seconds` lately; then by age.

    Example:
        >>> alices = [Waiting(job_id=f"a{n}", owner="alice", number=n) for n in (1, 2)]
        >>> bobs = [Waiting(job_id="b3", owner="bob", number=3)]
        >>> [job.job_id for job in order([*alices, *bobs], [], {"alice": 60.0})]
        ['b3', 'a1', 'a2']
    """
    counts = Counter(job.owner for job in running)
    ranks: dict[tuple[int, bool], list[Waiting]] = defaultdict(list)
    for job in waiting:
        ranks[-job.priority, not job.has_begun].append(job)
    return [
        job for rank in sorted(ranks) for job in _take_turns(ranks[rank], counts, served_seconds)
    ]


def _take_turns(
    equals: list[Waiting], counts: Counter[str], served_seconds: Mapping[str, float]
) -> Iterable[Waiting]:
    """Jobs of one rank; each counts as one that runs of its owner from then on."""
    queues: dict[str, deque[Waiting]] = defaultdict(deque)
    for job in sorted(equals, key=lambda job: job.number):
        queues[job.owner].append(job)

    def place(owner: str) -> tuple[int, float, int, str]:
        return counts[owner], served_seconds.get(owner, 0.0), queues[owner][0].number, owner

    turns = [place(owner) for owner in queues]
    heapq.heapify(turns)
    while turns:
        owner = heapq.heappop(turns)[-1]
        yield queues[owner].popleft()
        counts[owner] += 1
        if queues[owner]:
            heapq.heappush(turns, place(owner))


def choose_to_move(first: Waiting, running: Iterable[Running]) -> Running | None:
    """Which job is to make room for the first that waits: one of lower priority, the lowest there
    is; of an owner with the most that run; the youngest. None where no job is to."""
    jobs = list(running)
    counts = Counter(job.owner for job in jobs)
    lower = [job for job in jobs if job.may_move and job.priority < first.priority]
    return min(lower, key=lambda job: (job.priority, -counts[job.owner], -job.number), default=None)
