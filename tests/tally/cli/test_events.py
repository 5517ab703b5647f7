"""Server-sent events: parsing, and taking a lost stream up again."""

import pytest

from tally.cli.client.api_client import ApiClient
from tally.cli.client.events import Event, follow, parse_events
from tally.cli.errors import GatewayUnreachable, RequestRefused
from tests.fakes.gateway import FakeGateway, completed_events


def test_parses_kinds_numbers_and_data() -> None:
    lines = [": hi", "", "event: step", "id: 4", 'data: {"a":', "data: 1}", "", "event: cut"]
    assert list(parse_events(lines)) == [Event(kind="step", seq=4, data={"a": 1})]


def test_follows_until_the_job_has_ended(client: ApiClient) -> None:
    kinds = [event.kind for event in follow(client, "job-1")]
    assert kinds == [kind for kind, _ in completed_events()]


def test_a_lost_stream_goes_on_where_it_ended(client: ApiClient, gateway: FakeGateway) -> None:
    gateway.drop_events_after = [2, 5]
    gateway.job["status"] = "training"
    numbers = [event.seq for event in follow(client, "job-1", sleep=lambda seconds: None)]
    assert numbers == list(range(1, len(gateway.events) + 1))
    assert gateway.last_event_ids == [None, "2", "5"]


def test_a_stream_without_an_end_asks_for_the_job(client: ApiClient, gateway: FakeGateway) -> None:
    gateway.events = gateway.events[:2]
    gateway.job |= {"status": "failed", "error_message": "out of memory"}
    last = list(follow(client, "job-1"))[-1]
    assert (last.kind, last.data["status"]) == ("ended", "failed")


def test_an_unknown_job_is_no_reason_to_try_again(client: ApiClient, gateway: FakeGateway) -> None:
    gateway.refusal = (404, {"detail": "there is no such job", "errors": []})
    with pytest.raises(RequestRefused, match="there is no such job"):
        list(follow(client, "job-2"))


def test_gives_up_when_patience_ends(client: ApiClient, gateway: FakeGateway) -> None:
    gateway.refusal = (503, {"detail": "busy", "errors": []})
    lost: list[str] = []

    def recover_after_three(seconds: float) -> None:
        if len(lost) == 3:
            gateway.refusal = None

    assert list(follow(client, "job-1", on_lost=lost.append, sleep=recover_after_three))
    assert lost == ["busy"] * 3
    with (
        ApiClient("http://127.0.0.1:1") as nowhere,
        pytest.raises(GatewayUnreachable, match="No gateway"),
    ):
        list(follow(nowhere, "job-1", patience_seconds=0))
