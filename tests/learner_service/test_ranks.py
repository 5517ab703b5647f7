"""What processes of one job tell each other, and what they hear of one that is gone."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from learner_service.errors import RankLost, RolloutsUnavailable, StopRequested
from learner_service.patience import Patience
from learner_service.ranks import Ranks
from tally.rpc.errors import TallyError
from tests.learner_service.rank_process import RankProcesses
from tests.waiting import PATIENCE_SECONDS


def say_everything(ranks: Ranks, folder: Path) -> dict[str, object]:
    own = ranks.share(range(5))
    tensors = [torch.full((2, 3), float(ranks.rank + 1)), torch.tensor(10.0**ranks.rank)]
    ranks.add_up(tensors)
    gathered = torch.zeros(6, dtype=torch.bfloat16)
    own_part = gathered[2 * ranks.rank : 2 * ranks.rank + 2].fill_(ranks.rank + 0.5)
    ranks.gather_into(gathered, own_part)
    return {
        "first": ranks.is_first,
        "own": own,
        "whole": ranks.whole([10 * number for number in own]),
        "exchanged": ranks.exchange({"rank": ranks.rank}),
        "broadcast": ranks.broadcast("a digest" if ranks.is_first else "another"),
        "any": any(ranks.exchange(ranks.rank == 2)),
        "none": any(ranks.exchange(False)),
        "sums": [tensor.flatten().tolist() for tensor in tensors],
        "gathered": gathered.tolist(),
        "hidden": [name for name in os.environ if name in {"RANK", "WORLD_SIZE", "LOCAL_RANK"}],
        "default_group": torch.distributed.is_initialized(),
    }


def test_three_processes_hear_the_same(tmp_path: Path):
    results = [said["result"] for said in RankProcesses(3, say_everything, tmp_path).results()]
    assert [result.pop("first") for result in results] == [True, False, False]
    assert [result.pop("own") for result in results] == [[0, 3], [1, 4], [2]]
    expected = {
        "whole": [0, 10, 20, 30, 40],
        "exchanged": [{"rank": 0}, {"rank": 1}, {"rank": 2}],
        "broadcast": "a digest",
        "any": True,
        "none": False,
        "sums": [[6.0] * 6, [111.0]],
        "gathered": [0.5, 0.5, 1.5, 1.5, 2.5, 2.5],
        "hidden": [],
        "default_group": False,
    }
    assert results == [expected] * 3


def run_in_threads(
    function: Callable[[Ranks], object], timeout_seconds: float = PATIENCE_SECONDS
) -> list[object]:
    """What each of three threads, with Ranks of its own, returns, or the error that it raises."""
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def run(rank: int) -> object:
        store = dist.TCPStore("127.0.0.1", server.port, is_master=False)
        settings = {"count": 3, "store": store, "timeout_seconds": timeout_seconds}
        try:
            with Ranks(rank=rank, **settings) as ranks:
                return function(ranks)
        except (TallyError, StopRequested) as error:
            return error

    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(run, range(3)))


@pytest.mark.parametrize("error", [RolloutsUnavailable("no replica"), StopRequested()])
def test_the_error_of_one_is_the_error_of_all(error: Exception):
    def leave_or_wait(ranks: Ranks) -> None:
        ranks.exchange(None)
        if ranks.rank == 1:
            raise error
        ranks.add_up([torch.ones(3)])

    heard = run_in_threads(leave_or_wait)
    assert [(type(one), str(one)) for one in heard] == [(type(error), str(error))] * 3


def test_one_that_is_silent_is_waited_for_so_long_and_no_longer():
    ended = threading.Event()

    def wait_for_a_silent_one(ranks: Ranks) -> None:
        if ranks.rank == 1:
            assert ended.wait(PATIENCE_SECONDS)
            return
        try:
            ranks.exchange(None)
        finally:
            ended.set()

    first, second, third = run_in_threads(wait_for_a_silent_one, timeout_seconds=5.0)
    assert second is None
    assert "one of the job's 3 processes did nothing for 5 seconds" in (str(first), str(third))
    assert type(first) is type(third) is RankLost


def test_one_that_is_asked_to_stop_waits_for_a_silent_one_no_longer():
    """Its time-out is minutes; a host that is cut off would take them all."""
    stop, gone = threading.Event(), threading.Event()

    def wait_for_a_silent_one(ranks: Ranks) -> None:
        ranks._patience = Patience(stop, 0.5)
        ranks.exchange(None)
        if ranks.rank == 1:
            stop.set()
            assert gone.wait(PATIENCE_SECONDS)
            return
        try:
            ranks.exchange(None)
        finally:
            if ranks.rank == 0:
                gone.set()

    first, _, _ = run_in_threads(wait_for_a_silent_one, timeout_seconds=30.0)
    assert isinstance(first, RankLost)
    assert str(first).endswith("did not answer within 0.5 seconds of the request to stop")


def be_killed_or_wait(ranks: Ranks, folder: Path) -> None:
    ranks.exchange(None)
    if ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.add_up([torch.ones(3)])


def test_the_death_of_one_ends_the_other_in_a_sentence(tmp_path: Path):
    first, second = RankProcesses(2, be_killed_or_wait, tmp_path).results()
    assert second == {}
    assert first == {"error": "one of the job's 2 processes ended", "kind": RankLost.__name__}


def test_one_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    tensor = torch.ones(2)
    with Ranks.join() as ranks:
        ranks.add_up([tensor])
        assert (ranks.is_first, ranks.exchange(True), ranks.broadcast("a")) == (True, [True], "a")
        assert ranks.whole(ranks.share([1, 2, 3])) == [1, 2, 3]
    assert tensor.tolist() == [1.0, 1.0]
