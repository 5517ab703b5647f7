"""What travels between two processes in a step: the adapter's gradients, once."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_step_sends_the_gradients_of_the_adapter_once():
    small = ["--quick", "--policy", "small", "--side", "56", "--group", "2", "--passes", "3"]
    command = [sys.executable, "-m", "bench.ranks", *small, "--processes", "2"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(run.stdout.splitlines()[-1])["figures"]
    assert figures["gradient_bytes"] > 500_000
    # Beside them the sums of a dozen figures, and how long each message is.
    assert 0 <= figures["sent_bytes"]["2"] - figures["gradient_bytes"] < 5_000
