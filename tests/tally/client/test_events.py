"""Server-sent events: parsing, and taking a lost stream up again."""

import pytest

from tally.client import Event, GatewayUnreachable, RequestRefused
from tally.client.events import parse_events
from tests.fakes.gateway import FakeGateway, completed_events
from tests.tally.client.conftest import AnyClient, all_events, answer


def test_parses_kinds_numbers_and_data_however_they_are_cut() -> None:
    text = ': hi\n\nevent: step\r\nid: 4\ndata: {"a":\ndata: "\u2028\x85"}\n\nevent: cut'
    event = Event(kind="step", seq=4, data={"a": "\u2028\x85"})
    for size in (1, 7, len(text)):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert list(parse_events(pieces)) == [event]


async def test_follows_until_the_job_has_ended(client: AnyClient) -> None:
    kinds = [event.kind for event in await all_events(client, "job-1")]
    assert kinds == [kind for kind, _ in completed_events()]


async def test_a_lost_stream_goes_on_where_it_ended(
    client: AnyClient, gateway: FakeGateway
) -> None:
    gateway.drop_events_after = [2, 5]
    gateway.job["status"] = "training"
    numbers = [event.seq for event in await all_events(client, "job-1")]
    assert numbers == list(range(1, len(gateway.events) + 1))
    assert gateway.last_event_ids == [None, "2", "5"]


async def test_a_stream_without_an_end_asks_for_the_job(
    client: AnyClient, gateway: FakeGateway
) -> None:
    gateway.events = gateway.events[:2]
    gateway.job |= {"status": "failed", "error_message": "out of memory"}
    last = (await all_events(client, "job-1"))[-1]
    assert (last.kind, last.data["status"]) == ("ended", "failed")


async def test_an_unknown_job_is_no_reason_to_try_again(
    client: AnyClient, gateway: FakeGateway
) -> None:
    gateway.refusal = (404, {"detail": "there is no such job", "errors": []})
    with pytest.raises(RequestRefused, match="there is no such job"):
        await all_events(client, "job-2")


async def test_says_what_was_lost_and_goes_on(client: AnyClient, gateway: FakeGateway) -> None:
    gateway.refusal = (503, {"detail": "busy", "errors": []})
    lost: list[str] = []

    def recover_after_three(error: Exception) -> None:
        lost.append(str(error))
        if len(lost) == 3:
            gateway.refusal = None

    assert await all_events(client, "job-1", on_lost=recover_after_three)
    assert lost == ["busy"] * 3


async def test_gives_up_when_patience_ends(kind: type[AnyClient]) -> None:
    nowhere = kind("http://127.0.0.1:1")
    with pytest.raises(GatewayUnreachable, match="No gateway"):
        await all_events(nowhere, "job-1", patience_seconds=0)
    await answer(nowhere.close())
