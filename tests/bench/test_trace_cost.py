"""A few calls and steps with tracing and without: what they cost is told, not judged."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_both_costs_are_told_for_every_side():
    command = [sys.executable, "-m", "bench.trace_cost", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])["figures"]
    for name in ("a call of Parse", "a step of the learner"):
        assert {side: len(taken) for side, taken in told[name].items()} == {
            "absent": 3,
            "off": 3,
            "on": 3,
        }
