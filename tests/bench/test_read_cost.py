"""A few reads of a real gateway: what they cost is told, not judged."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_read_is_answered_and_its_cost_told():
    command = [sys.executable, "-m", "bench.read_cost", "--quick", "--steps", "10"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])["figures"]["milliseconds"]
    assert {"/", "/healthz", "/jobs"} < set(told)
    assert all(cost >= 0 for costs in told.values() for cost in costs["this"])
