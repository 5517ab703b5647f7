"""Rows that end in every way there is; the argument says which."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.gpu.row import RowContext


def measure(context: RowContext) -> None:
    context.note("before", "was measured", number=1)
    endings = {"crash": _crash, "raise": _raise, "hang": _hang, "end": lambda context: None}
    endings[context.argument](context)


def _crash(context: RowContext) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _raise(context: RowContext) -> None:
    raise ValueError("what would be right")


def _hang(context: RowContext) -> None:
    """With a child that would outlive it, and a line that is cut off."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    (context.work / "child").write_text(str(child.pid))
    with Path(context.figures_path).open("a") as file:
        file.write('{"case": "cut o')
    (context.work / "hangs").touch()
    child.wait()
