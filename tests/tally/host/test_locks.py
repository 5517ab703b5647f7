"""Locks that end with their holder."""

import subprocess
import sys
from pathlib import Path

import pytest

from tally.host.locks import InUse, hold, lock_file, lock_folder, share, try_lock

HOLDER = """
import sys, pathlib
from tally.host.locks import hold
with hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_against_others_until_its_holder_is_killed(tmp_path: Path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InUse), hold(tmp_path):
            pass
        holder.kill()
    with hold(tmp_path):
        pass


def test_a_file_is_locked_until_it_is_closed(tmp_path: Path):
    first = lock_file(tmp_path / "lock")
    with pytest.raises(InUse):
        lock_file(tmp_path / "lock")
    first.close()
    lock_file(tmp_path / "lock").close()


def test_sharers_keep_out_whoever_wants_it_alone(tmp_path: Path):
    with (tmp_path / "lock").open("a") as one, (tmp_path / "lock").open("a") as other:
        share(one)
        share(other)
        assert not try_lock(one)
        share(one)
        other.close()
        assert try_lock(one)


def test_a_folder_that_is_gone_or_a_link_is_not_locked(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert lock_folder(tmp_path / "gone") is None
    assert lock_folder(tmp_path / "link") is None
