"""Services of Tally as processes of their own."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

_HOUSE = Path(__file__).parent.parent
_POLL_SECONDS = 0.05


class RunningService(NamedTuple):
    """A process, and the port of this host on which it listens."""

    pid: int
    port: int


@contextmanager
def run_service(
    module: str, *arguments: str, variables: Mapping[str, str] = {}
) -> Iterator[RunningService]:
    """Runs `python -m module`, a server, with these variables in its environment too.

    Raises RuntimeError with its log.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": str(_HOUSE), **variables},
        )
        try:
            while not (match := re.search(r"listening on .*:(\d+)", _text(log))):
                if process.poll() is not None:
                    raise RuntimeError(f"{module} did not start:\n{_text(log)}")
                time.sleep(_POLL_SECONDS)
            yield RunningService(process.pid, int(match[1]))
        finally:
            process.terminate()
            process.wait()


def _text(log: IO[str]) -> str:
    return os.pread(log.fileno(), 10**6, 0).decode()
