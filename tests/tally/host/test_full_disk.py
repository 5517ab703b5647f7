"""A full disk, by number or by the words of whoever handed it on."""

import errno
import sqlite3

import pytest
from safetensors import SafetensorError

from tally.host.full_disk import full_disk_as, is_full_disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    ],
)
def test_a_full_disk_is_known_from_numbers_and_words(error: Exception):
    assert is_full_disk(error)
    with pytest.raises(RuntimeError, match="no room"), full_disk_as(RuntimeError("no room")):
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), ValueError("x")])
def test_any_other_error_stays_what_it_is(error: Exception):
    assert not is_full_disk(error)
    with pytest.raises(type(error)), full_disk_as(RuntimeError("no room")):
        raise error
