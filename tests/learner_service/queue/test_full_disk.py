"""A full disk: a clear error, and everything that was acknowledged still there."""

from pathlib import Path

import pytest
from sqlalchemy import text

from learner_service.events import Notice
from learner_service.queue.job_store import JobStore
from learner_service.spec import JobSpec
from tally.rpc.errors import ResourceExhausted
from tests.learner_service.queue.stores import open_store


def set_most_pages(store: JobStore, number: int) -> None:
    with store._database.reading() as session:
        session.execute(text(f"PRAGMA max_page_count = {number}"))


def fill(store: JobStore) -> None:
    for _ in range(1000):
        store.append("one", Notice(message="x" * 2000))


def test_a_full_database_says_so_and_keeps_what_it_acknowledged(tmp_path: Path):
    store = open_store(tmp_path)
    store.create("one", JobSpec(dataset_digest="a" * 64, base_model="small"))
    set_most_pages(store, 40)  # SQLite's own "disk is full"
    with pytest.raises(ResourceExhausted, match="no room"):
        fill(store)
    written = len(store.events("one", 0))
    assert written == store.get("one").last_seq > 0
    set_most_pages(store, 4000)
    assert store.append("one", Notice(message="room again"))
    store.close()
