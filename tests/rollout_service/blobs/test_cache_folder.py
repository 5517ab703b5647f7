"""Where the cache is: in memory where there is room, on disk otherwise; nothing left behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollout_service.blobs import cache_folder
from rollout_service.blobs.cache_folder import place_cache
from rollout_service.settings import RolloutSettings

GIB = 1024**3


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Stands for /dev/shm."""
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(folder))
    return folder


def settings(**changes: object) -> RolloutSettings:
    return RolloutSettings(**changes)


def rooms(monkeypatch: pytest.MonkeyPatch, free: int, memory: int) -> None:
    usage = type("Usage", (), {"free": free})()
    monkeypatch.setattr(cache_folder.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(cache_folder, "available_bytes", lambda: memory)


@pytest.mark.parametrize(
    ("free", "available", "expected"),
    [
        (64 * GIB, 64 * GIB, 4 * GIB),
        (4 * GIB, 64 * GIB, 2 * GIB),
        (64 * GIB, 6 * GIB, 3 * GIB // 2),
    ],
    ids=["room for all", "half of a small folder", "a quarter of the memory"],
)
@pytest.mark.usefixtures("disk")
def test_memory_is_taken_where_it_has_room(memory, monkeypatch, free, available, expected):
    rooms(monkeypatch, free, available)
    with place_cache(settings(), memory) as (placed, _):
        assert placed.cache_dir.parent == memory
        assert placed.cache_bytes == expected
        assert placed.cache_dir.stat().st_mode & 0o777 == 0o700
    assert list(memory.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "available"),
    [(64 * 1024**2, 64 * GIB), (64 * GIB, 2 * GIB)],
    ids=["a container's default /dev/shm", "little memory"],
)
def test_a_memory_that_is_too_small_is_left_for_the_disk(
    memory, disk, monkeypatch, free, available
):
    rooms(monkeypatch, free, available)
    with place_cache(settings(), memory) as (placed, _):
        assert placed.cache_dir.parent == disk
        assert placed.cache_bytes == 4 * GIB


def test_no_memory_backed_folder_or_none_wanted(memory, disk, tmp_path):
    for chosen, folder in [({"cache_in_memory": False}, memory), ({}, tmp_path / "nowhere")]:
        with place_cache(settings(**chosen), folder) as (placed, _):
            assert placed.cache_dir.parent == disk


def test_a_folder_that_is_set_stays_as_it_is(memory, tmp_path):
    chosen = settings(cache_dir=tmp_path / "mine")
    with place_cache(chosen, memory) as (placed, folder):
        assert placed is chosen
        assert folder == chosen.cache_dir


HOLDER = """
import sys, time
from pathlib import Path
from rollout_service.blobs.cache_folder import place_cache
from rollout_service.settings import RolloutSettings
with place_cache(RolloutSettings(cache_bytes=1024), Path(sys.argv[1])) as (placed, _):
    (placed.cache_dir / ("0" * 64 + "." + "a" * 32)).write_bytes(b"half a blob")
    print(placed.cache_dir, flush=True)
    time.sleep(60)
"""


def test_the_next_start_removes_what_a_killed_process_left_and_nothing_else(memory, disk):
    command = [sys.executable, "-c", HOLDER, str(memory)]
    killed, alive = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = [Path(process.stdout.readline().strip()) for process in (killed, alive)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (memory / "tally-replica-diary.txt").write_text("not a folder")
    with place_cache(settings(cache_bytes=1024), memory) as (placed, _):
        assert not folders[0].exists()
        assert len(list(folders[1].iterdir())) == 1
        left = {folders[1], placed.cache_dir, memory / "tally-replica-diary.txt"}
        assert set(memory.iterdir()) == left
    alive.terminate()
    alive.communicate()
