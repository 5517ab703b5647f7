from contextlib import ExitStack

from rollout_service.vllm_engine.turns import Turns


class Requests:
    """Those of a test, by their names."""

    def __init__(self, places: int) -> None:
        self._turns = Turns(places)
        self._open: dict[str, ExitStack] = {}
        self.begun: list[str] = []

    def come(self, name: str, completions: int) -> None:
        self._open[name] = ExitStack()
        turn = self._turns.take(completions, lambda: self.begun.append(name))
        self._open[name].enter_context(turn)

    def leave(self, name: str) -> None:
        self._open.pop(name).close()


def test_those_for_whom_there_is_a_place_begin_at_once():
    requests = Requests(places=4)
    for name in "abc":
        requests.come(name, completions=2)
    assert requests.begun == ["a", "b"]


def test_the_others_begin_in_order_as_places_become_free():
    requests = Requests(places=4)
    for name in "abcd":
        requests.come(name, completions=3)
    assert requests.begun == ["a", "b"]  # b with its first completion
    requests.leave("a")
    assert requests.begun == ["a", "b", "c"]
    requests.leave("b")
    requests.leave("c")
    assert requests.begun == ["a", "b", "c", "d"]


def test_one_that_is_larger_than_all_places_begins_all_the_same():
    requests = Requests(places=4)
    requests.come("a", completions=64)
    assert requests.begun == ["a"]


def test_one_that_gives_up_never_begins():
    requests = Requests(places=2)
    for name in "abc":
        requests.come(name, completions=2)
    requests.leave("b")
    requests.leave("a")
    assert requests.begun == ["a", "c"]
