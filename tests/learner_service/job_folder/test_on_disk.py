"""What a failure of the machine may not take: it is on the disk before it is seen."""

import os
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.checkpoints import Checkpoints
from learner_service.job_folder.fence import Fence
from tally.host.whole_file import write_whole
from tally.rpc.digests import digest_of


class Disk:
    """Notes in order what is synced and what is renamed, by its name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        real_sync, real_replace = os.fsync, os.replace

        def fsync(descriptor: int) -> None:
            self.log.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
            real_sync(descriptor)

        def replace(source: os.PathLike[str], place: os.PathLike[str]) -> None:
            self.log.append(f"rename {Path(source).name}")
            real_replace(source, place)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(Path, "replace", replace)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_every_file_of_a_checkpoint_and_its_name(tmp_path: Path, disk: Disk):
    staged = tmp_path / "staging" / "checkpoint-3"
    staged.mkdir(parents=True)
    (staged / "weights").write_text("1")
    (staged / "optimizer").write_text("2")
    Checkpoints(tmp_path / "checkpoints").commit(staged)
    *before, renamed, after = disk.log
    assert sorted(before) == [
        "sync checkpoint-3", "sync manifest.json", "sync optimizer", "sync weights",
    ]  # fmt: skip
    assert before[-1] == "sync checkpoint-3"
    assert (renamed, after) == ("rename checkpoint-3", "sync checkpoints")


def test_a_blob_that_was_put(tmp_path: Path, disk: Disk):
    store, data = BlobStore(tmp_path), b"data"
    with store.write(digest_of(data), len(data)) as writer:
        writer.append(0, data)
        writer.commit()
    [synced, renamed] = disk.log
    assert synced.removeprefix("sync ") == renamed.removeprefix("rename ")


def test_a_file_that_is_written_whole(tmp_path: Path, disk: Disk):
    write_whole(tmp_path / "held_out.json", "{}")
    assert disk.log == ["sync held_out.json.staged", "rename held_out.json.staged"]


def test_the_number_of_an_attempt(tmp_path: Path, disk: Disk):
    Fence(tmp_path / "attempt").advance()
    assert disk.log == ["sync attempt"]
