"""The folder of quantised bases: whole files, within its room, whatever else lies there."""

import os
import threading
from pathlib import Path

import pytest
import torch

from tally.host.locks import lock_file
from tally.weights.kept_bases import KeptBases

WEIGHTS = {"weight": (torch.arange(300, dtype=torch.uint8), torch.uint8)}
# Of a base as it is written here.
FILE_BYTES = 492


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.safetensors")}


def test_what_is_kept_is_found(tmp_path: Path):
    kept = KeptBases(tmp_path / "4bit", 10**6)
    assert kept.find("a") is None
    kept.keep("a", WEIGHTS)
    found = kept.find("a")
    assert found is not None
    assert torch.equal(found["weight"][...], WEIGHTS["weight"][0])
    assert kept.find("b") is None


def test_the_least_recently_used_goes(tmp_path: Path):
    kept = KeptBases(tmp_path, 2 * FILE_BYTES + 100)
    for age, name in enumerate(("a", "b")):
        kept.keep(name, WEIGHTS)
        os.utime(tmp_path / f"{name}.safetensors", (100 + age, 100 + age))
    assert (tmp_path / "a.safetensors").stat().st_size == FILE_BYTES
    assert kept.find("a")
    kept.keep("c", WEIGHTS)
    assert names(tmp_path) == {"a", "c"}


def test_a_base_that_is_larger_than_the_room_is_not_kept(tmp_path: Path, caplog):
    KeptBases(tmp_path, 299).keep("a", WEIGHTS)
    assert names(tmp_path) == set()
    assert "all may take 299" in caplog.text


@pytest.mark.parametrize("content", [b"", b"of someone else", None], ids=["empty", "other", "cut"])
def test_a_damaged_base_is_passed_over_and_replaced(tmp_path: Path, content: bytes | None):
    kept = KeptBases(tmp_path, 10**6)
    kept.keep("a", WEIGHTS)
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-7] if content is None else content)
    assert kept.find("a") is None
    kept.keep("a", WEIGHTS)
    assert kept.find("a")


def test_a_full_disk_is_gone_on_without(tmp_path: Path, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    KeptBases(tmp_path, 10**6).keep("a", WEIGHTS)
    assert list(tmp_path.iterdir()) == []
    assert "No space left" in caplog.text


def test_a_disk_without_room_for_two_is_left_alone(tmp_path: Path, monkeypatch, caplog):
    class Usage:
        free = 500

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    KeptBases(tmp_path, 10**6).keep("a", WEIGHTS)
    assert names(tmp_path) == set()
    assert "hardly room" in caplog.text


def test_a_place_where_nothing_can_be_written_is_gone_on_without(tmp_path: Path):
    (tmp_path / "file").touch()
    kept = KeptBases(tmp_path / "file" / "4bit", 10**6)
    with kept.hold():
        assert kept.find("a") is None
        kept.keep("a", WEIGHTS)


def test_what_a_killed_writer_left_goes_in_time(tmp_path: Path):
    for name, age_seconds in (("old", 10**6), ("new", 0)):
        path = tmp_path / f"{name}.part"
        path.touch()
        os.utime(path, (path.stat().st_mtime - age_seconds,) * 2)
    KeptBases(tmp_path, 10**6).keep("a", WEIGHTS)
    assert {path.name for path in tmp_path.glob("*.part")} == {"new.part"}


def test_one_quantises_while_the_others_wait(tmp_path: Path):
    lock, entered = lock_file(tmp_path / ".lock"), threading.Event()

    def wait() -> None:
        with KeptBases(tmp_path, 10**6).hold():
            entered.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not entered.wait(0.5)
    lock.close()
    waiting.join()
    assert entered.is_set()
