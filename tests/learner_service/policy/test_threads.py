"""A small pass has one thread, a large one all of them."""

from collections.abc import Iterator

import pytest
import torch

from learner_service.policy.threads import worthwhile_threads


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("device", "tokens", "hidden_size", "within"),
    [("cpu", 400, 128, 1), ("cpu", 400, 1024, 2), ("cpu", 40_000, 128, 2), ("cuda", 400, 128, 2)],
)
def test_threads_within_and_after(device: str, tokens: int, hidden_size: int, within: int):
    with worthwhile_threads(torch.device(device), tokens, hidden_size):
        assert torch.get_num_threads() == within
    assert torch.get_num_threads() == 2


def test_threads_that_spin_are_all_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    with worthwhile_threads(torch.device("cpu"), 400, 128):
        assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back():
    with pytest.raises(KeyError), worthwhile_threads(torch.device("cpu"), 1, 1):
        raise KeyError
    assert torch.get_num_threads() == 2
