"""What is reported and not acknowledged yet: kept, bounded, and told where nothing comes of it."""

import threading

import pytest

from learner_service.worker.outbox import Message, Outbox
from tally.rpc.errors import Unavailable
from tests.waiting import PATIENCE_SECONDS


def event(text: str) -> Message:
    return Message(event=text)


def outbox(**options: int) -> Outbox:
    return Outbox(lambda: None, **options)


def test_what_is_not_acknowledged_is_there_to_be_sent_again():
    box = outbox()
    for text in ("a", "b", "c"):
        box.put(event(text))
    assert box.after(0) == [(1, event("a")), (2, event("b")), (3, event("c"))]
    box.acknowledge(1)
    assert box.after(0) == [(2, event("b")), (3, event("c"))]
    assert box.after(2) == [(3, event("c"))]
    box.acknowledge(3)
    box.settle()
    box.put(event("d"))
    assert box.after(0) == [(4, event("d"))]


def test_who_reports_too_much_waits_until_some_is_acknowledged():
    box, put = outbox(most_bytes=4), threading.Event()
    box.put(event("four"))

    def put_one_more() -> None:
        box.put(event("more"))
        put.set()

    thread = threading.Thread(target=put_one_more)
    thread.start()
    assert not put.wait(0.2)
    box.acknowledge(1)
    assert put.wait(PATIENCE_SECONDS)
    thread.join()
    assert box.after(0) == [(2, event("more"))]


def test_the_first_error_is_told_to_all_but_who_has_nothing_waiting():
    box = outbox()
    box.end(Unavailable("gone"))
    box.end(Unavailable("gone again"))
    box.settle()
    with pytest.raises(Unavailable, match=r"^gone$"):
        box.put(event("a"))
