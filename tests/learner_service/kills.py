"""Writers that are killed at any moment."""

import random
import subprocess
import sys
import time
from pathlib import Path

_GENERATOR = random.Random(4)
PAUSES_SECONDS = [_GENERATOR.uniform(0.0, 0.15) for _ in range(6)]


def kill_writer(script: str, folder: Path, step: int, seconds: float) -> int:
    """Runs the script, kills it, and returns the last step that it acknowledged."""
    command = [sys.executable, "-c", script, str(folder), str(step)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    return int(((first + process.communicate()[0]).split() or [str(step)])[-1])
