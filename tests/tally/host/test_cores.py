"""A process of its own: its cores are no longer those of the tests."""

import os
import subprocess
import sys
import time

import pytest

from tally.host.cores import idle_seconds

_SHOW = """
import os, threading
from tally.host.cores import keep_to

keep_to({cores})
found = []
thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
thread.start()
thread.join()
print(sorted(found[0]))
"""


@pytest.mark.parametrize("cores", [1, 2, 4096])
def test_a_process_keeps_to_the_last_of_its_cores_with_all_its_threads(cores: int):
    done = subprocess.run(
        [sys.executable, "-c", _SHOW.format(cores=cores)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(sorted(os.sched_getaffinity(0))[-cores:])


def test_cores_that_nobody_needs_idle_for_as_long_as_they_are_there():
    before, started = idle_seconds(), time.monotonic()
    time.sleep(0.2)
    most = (time.monotonic() - started + 0.1) * (os.cpu_count() or 1)
    assert 0 <= idle_seconds() - before <= most
