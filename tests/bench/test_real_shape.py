"""The bench of the real size, with as many layers as a test has time for."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A process's allocator and the kernel's counting leave a few hundredths to chance.
LEAST, MOST = 0.95, 1.3


def test_a_job_at_the_real_width_keeps_to_preflights_estimate():
    command = [sys.executable, "-m", "bench.real_shape", "--layers", "4", "--steps", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])["figures"]
    [step] = figures["steps"]
    assert (step["step"], step["skipped_group_rate"]) == (1, 0.0)
    assert step["gradient_norm"] > 0
    assert all(seconds > 0 for seconds in figures["seconds"].values())
    processes = {"memory": "learner_service.worker.start", "replica_memory": "rollout_service"}
    for name, module in processes.items():
        ratio = figures["estimate"][name]["estimated_bytes"] / figures["peak_bytes"][module]
        assert LEAST <= ratio <= MOST, (name, ratio)
    assert figures["shared_out_bytes"] > figures["peak_bytes"]["gateway"]
