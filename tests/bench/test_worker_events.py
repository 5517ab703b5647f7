"""A few steps over gRPC and over a pipe: what they cost is told, not judged."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_both_ways_to_speak_take_their_turns():
    command = [sys.executable, "-m", "bench.worker_events", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])["figures"]
    assert set(told) == {"gRPC", "pipe"}
    assert all(
        len(taken) == 2 and min(taken) > 0 for one in told.values() for taken in one.values()
    )
