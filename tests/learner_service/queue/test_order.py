"""The order of the queue: priority, fair shares, no starvation; always the same."""

from collections import Counter, defaultdict
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from learner_service.queue.order import Running, Waiting, choose_to_move, order

OWNERS = st.sampled_from(["", "alice", "bob", "carol"])
PRIORITIES = st.integers(-2, 2)
SERVICE = st.dictionaries(OWNERS, st.floats(0, 1e6))


@st.composite
def queues(draw) -> list[Waiting]:
    shapes = draw(st.lists(st.tuples(OWNERS, PRIORITIES, st.booleans()), max_size=30))
    return [
        Waiting(job_id=str(n), owner=owner, number=n, priority=priority, has_begun=has_begun)
        for n, (owner, priority, has_begun) in enumerate(shapes)
    ]


@st.composite
def runs(draw) -> list[Running]:
    shapes = draw(st.lists(st.tuples(OWNERS, PRIORITIES, st.booleans()), max_size=8))
    return [
        Running(job_id=f"r{n}", owner=owner, number=n, priority=priority, may_move=may_move)
        for n, (owner, priority, may_move) in enumerate(shapes)
    ]


def rank(job: Waiting) -> tuple[int, bool]:
    return -job.priority, not job.has_begun


@given(queues(), runs(), SERVICE, st.randoms(use_true_random=False))
def test_the_order_is_one_of_all_jobs_and_does_not_hang_on_how_they_came(
    waiting, running, service, random
):
    ordered = order(waiting, running, service)
    assert sorted(ordered, key=lambda job: job.number) == waiting
    random.shuffle(waiting)
    random.shuffle(running)
    assert order(waiting, running, dict(reversed(service.items()))) == ordered


@given(queues(), runs(), SERVICE)
def test_a_higher_priority_goes_first_and_then_what_has_begun(waiting, running, service):
    ordered = order(waiting, running, service)
    assert [rank(job) for job in ordered] == sorted(map(rank, waiting))


@given(queues(), runs(), SERVICE)
def test_an_owner_gets_a_second_turn_only_once_all_equals_had_their_first(
    waiting, running, service
):
    counts = Counter(job.owner for job in running)
    ordered = order(waiting, running, service)
    for at, job in enumerate(ordered):
        rivals = {other.owner for other in ordered[at:] if rank(other) == rank(job)}
        assert counts[job.owner] == min(counts[owner] for owner in rivals)
        least = {owner for owner in rivals if counts[owner] == counts[job.owner]}
        assert service.get(job.owner, 0.0) == min(service.get(owner, 0.0) for owner in least)
        own = [
            one.number for one in ordered[at:] if (rank(one), one.owner) == (rank(job), job.owner)
        ]
        assert job.number == min(own)
        counts[job.owner] += 1


@given(queues(), runs(), SERVICE, st.integers(0, 8))
def test_what_comes_later_of_the_same_owner_puts_no_job_of_theirs_back(
    waiting, running, service, more
):
    later = [Waiting(job_id=f"later {n}", owner="alice", number=1000 + n) for n in range(more)]
    before = [job for job in order(waiting, running, service) if job.owner == "alice"]
    after = [job for job in order([*waiting, *later], running, service) if job.owner == "alice"]
    plain = [job for job in before if rank(job) <= (0, True)]
    assert after[: len(plain)] == plain


DURATIONS = st.lists(st.floats(1, 100), min_size=1, max_size=12)


@given(st.dictionaries(OWNERS, DURATIONS, min_size=1), st.integers(1, 4))
def test_owners_who_always_have_jobs_waiting_are_served_alike_within_a_job_each(
    durations_by_owner, slots
):
    """A queue that is worked through: while all owners wait, no two differ by more service than a
    job of each slot lasts; and every job has its turn."""
    waiting, durations = [], {}
    for owner, lengths in durations_by_owner.items():
        for seconds in lengths:
            job = Waiting(job_id=str(len(waiting)), owner=owner, number=len(waiting))
            waiting.append(job)
            durations[job.job_id] = seconds
    longest, service, ends = max(durations.values()), defaultdict(float), {}
    now = 0.0
    while waiting:
        began = {job.job_id: start for job, (start, _) in ends.items()}
        served = Counter(service)
        for job in ends:
            served[job.owner] += now - began[job.job_id]
        if {job.owner for job in waiting} == durations_by_owner.keys():
            values = [served[owner] for owner in durations_by_owner]
            assert max(values) - min(values) <= (slots + 1) * longest
        running = [Running(job_id=j.job_id, owner=j.owner, number=j.number) for j in ends]
        for job in order(waiting, running, served)[: slots - len(ends)]:
            waiting.remove(job)
            ends[job] = now, now + durations[job.job_id]
        first = min(ends, key=lambda job: ends[job][1])
        now = ends[first][1]
        service[first.owner] += durations[first.job_id]
        del ends[first]


@given(queues(), runs())
def test_only_a_job_of_lower_priority_makes_room_and_the_lowest_first(waiting, running):
    for first in waiting:
        chosen = choose_to_move(first, running)
        lower = [job for job in running if job.may_move and job.priority < first.priority]
        assert (chosen is None) == (not lower)
        if chosen:
            assert chosen.priority == min(job.priority for job in lower)
            assert choose_to_move(replace(first, priority=chosen.priority), [chosen]) is None
