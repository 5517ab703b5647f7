"""Services of Tally as processes of their own."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_HOUSE = Path(__file__).parent.parent
_POLL_SECONDS = 0.05


@contextmanager
def run_service(module: str, *arguments: str) -> Iterator[int]:
    """Runs `python -m module`, a gRPC server; yields its port. Raises RuntimeError with its log."""
    paths = str(_HOUSE)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": paths},
        )
        try:
            while not (match := re.search(r"listening on .*:(\d+)", _text(log))):
                if process.poll() is not None:
                    raise RuntimeError(f"{module} did not start:\n{_text(log)}")
                time.sleep(_POLL_SECONDS)
            yield int(match[1])
        finally:
            process.terminate()
            process.wait()


def _text(log: IO[str]) -> str:
    return os.pread(log.fileno(), 10**6, 0).decode()
