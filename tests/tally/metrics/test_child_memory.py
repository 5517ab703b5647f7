"""Memory of what a process has started, of real processes."""

import subprocess
import sys

from tally.metrics.child_memory import children_bytes

_SIZE = 200 * 1024**2
_HOLD = f"data = bytearray(b'x') * {_SIZE}; print('there', flush=True); input()"
_START_ANOTHER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_HOLD!r}])"


def test_children_and_theirs_count_for_as_long_as_they_live():
    before = children_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", _START_ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout.readline() == b"there\n"
        assert children_bytes() > before + _SIZE
        process.stdin.write(b"\n")
    assert children_bytes() < before + _SIZE
