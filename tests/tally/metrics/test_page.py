"""The page as Prometheus reads it, and what becomes of those who read it in another way."""

import logging
import socket
from contextlib import ExitStack

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter

from reward_service.settings import RewardSettings
from tally.cli.stack.ports import free_port
from tally.metrics import page
from tally.metrics.page import metrics_page
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("tally_apples", "Apples.", registry=registry).inc(3)
    return registry


def read(port: int, path: str = "/metrics") -> str:
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=60).text


def test_it_is_read_where_the_service_listens(registry: CollectorRegistry):
    with metrics_page(RewardSettings(metrics_port=0), "127.0.0.1", registry) as port:
        assert "tally_apples_total 3.0" in read(port)
    with pytest.raises(requests.ConnectionError):
        read(port)


def test_an_address_of_its_own_goes_before_the_services(registry: CollectorRegistry):
    settings = RewardSettings(metrics_port=0, metrics_host="127.0.0.1")
    with metrics_page(settings, "192.0.2.1", registry) as port:
        assert "tally_apples_total 3.0" in read(port)


def test_without_a_port_there_is_none(registry: CollectorRegistry):
    with metrics_page(RewardSettings(), "127.0.0.1", registry) as port:
        assert port is None


def test_a_port_that_is_taken_is_named(registry: CollectorRegistry):
    settings = RewardSettings(metrics_port=free_port())
    with (
        metrics_page(settings, "127.0.0.1", registry) as port,
        pytest.raises(SystemExit, match=f"metrics_port: 127.0.0.1:{port} can't be listened at"),
        metrics_page(settings, "127.0.0.1", registry),
    ):
        pass


def test_who_never_asks_takes_a_bounded_room_and_only_until_they_leave(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(page._Handler, "timeout", PATIENCE_SECONDS)
    with (
        metrics_page(RewardSettings(metrics_port=0), "127.0.0.1", registry) as port,
        ExitStack() as silent,
    ):
        for _ in range(50):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        # Those beyond the room are closed at once, this one among them.
        with pytest.raises(requests.ConnectionError):
            read(port)
        silent.close()
        wait_until(lambda: _answers(port), "the page never came back")


def _answers(port: int) -> bool:
    try:
        return "tally_apples_total 3.0" in read(port)
    except requests.ConnectionError:
        return False


def test_it_says_nothing_in_the_log(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture):
    with (
        caplog.at_level(logging.INFO),
        metrics_page(RewardSettings(metrics_port=0), "127.0.0.1", registry) as port,
    ):
        caplog.clear()
        read(port)
    assert not caplog.records
