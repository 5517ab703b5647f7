"""The sweep of a starting gateway against what others write meanwhile."""

import threading
from pathlib import Path

import pytest

from gateway import storage as storage_module
from gateway.storage import NamedFiles, Storage
from tests.gateway.packing import good_zip
from tests.waiting import wait_until

NOTHING = NamedFiles(datasets=(), uploads=(), unfinished_jobs=(), batches=())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def put(storage: Storage, digest: str) -> Path:
    storage.dataset_path(digest).write_bytes(b"whole")
    return storage.dataset_path(digest)


def test_what_was_committed_until_the_lock_was_had_is_kept(folder: Path, monkeypatch):
    """The other gateway commits an upload, and ends, while this one is about to sweep."""
    other, committed = Storage(folder), set()
    other.sweep(lambda: NOTHING)

    def lock_after_the_others_commit(file) -> bool:
        put(other, "a" * 64)
        committed.add("a" * 64)
        other.close()
        return try_lock(file)

    try_lock = storage_module.try_lock
    monkeypatch.setattr(storage_module, "try_lock", lock_after_the_others_commit)
    storage = Storage(folder)
    storage.sweep(lambda: NamedFiles(set(committed), uploads=(), unfinished_jobs=(), batches=()))
    assert storage.dataset_path("a" * 64).exists()
    storage.close()


def test_no_other_gateway_takes_anything_in_while_one_sweeps(folder: Path):
    sweeping, other = Storage(folder), Storage(folder)
    waiting = threading.Thread(target=other.sweep, args=[lambda: pytest.fail("it sweeps too")])

    def look() -> NamedFiles:
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        return NOTHING

    orphan = put(sweeping, "b" * 64)
    sweeping.sweep(look)
    assert not orphan.exists()
    wait_until(lambda: not waiting.is_alive())
    sweeping.close()
    other.close()


def test_what_no_row_names_goes_and_the_rest_stays(folder: Path):
    storage = Storage(folder)
    for name in ("named", "orphan"):
        for path in (
            storage.dataset_path(name), storage.rows_path(name), storage.adapter_path(name),
            storage.batch_path(name), storage.batch_pictures_path(name),
        ):  # fmt: skip
            path.write_bytes(b"whole")
    staged = storage.staging_dir / "of a killed one"
    staged.mkdir()
    (staged / "half").write_bytes(b"ha")
    storage.sweep(lambda: NamedFiles(["named"], ["named"], ["named"], ["named"]))
    assert not staged.exists()
    left = [
        path.stem for path in folder.rglob("*") if path.suffix in (".zip", ".jsonl", ".safetensors")
    ]
    assert left == ["named"] * 5
    storage.close()


def test_a_second_gateway_on_the_folder_removes_nothing(folder: Path):
    first, second = Storage(folder), Storage(folder)
    first.sweep(lambda: NOTHING)
    unnamed = put(first, "c" * 64)
    second.sweep(lambda: NOTHING)
    assert unnamed.exists()
    first.close()
    second.close()


async def test_an_upload_outlives_a_second_gateway_that_comes_and_goes(start_gateway, settings):
    async with start_gateway(settings) as one:
        async with start_gateway(settings) as two:
            file_id = (await two.upload(good_zip())).json()["file_id"]
        async with start_gateway(settings):
            rows = await one.client.get(f"/files/{file_id}/rows")
            assert (rows.status_code, rows.json()["csv_rows"]) == (200, 2)
    async with start_gateway(settings) as later:
        rows = await later.client.get(f"/files/{file_id}/rows")
        assert rows.status_code == 200


def test_a_start_beside_another_gateway_sweeps_what_a_killed_one_left(folder: Path):
    running, starting = Storage(folder), Storage(folder)
    running.sweep(lambda: NOTHING)
    (folder / "staging" / "left").mkdir()
    with running.staging() as staged:
        (staged / "upload").touch()
        starting.sweep(lambda: NOTHING)
        assert list((folder / "staging").iterdir()) == [staged]
        assert (staged / "upload").exists()
    assert list((folder / "staging").iterdir()) == []
    running.close()
    starting.close()
