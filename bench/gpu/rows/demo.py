"""`tally demo` on the card, with the torch engine: its last line."""

import re
import subprocess
import sys
import time

from bench.gpu.row import RowContext


def measure(context: RowContext) -> None:
    started = time.monotonic()
    output = context.work / "demo-output"
    command = [sys.executable, "-m", "tally.cli", "demo", "--engine", "transformers"]
    run = subprocess.run(
        [*command, f"--output={output}"], stdout=subprocess.PIPE, text=True, check=False
    )
    sys.stdout.write(run.stdout)
    if run.returncode:
        raise SystemExit(f"tally demo ended with {run.returncode}")
    last = run.stdout.strip().splitlines()[-1]
    rates = re.fullmatch(r"held-out exact rate: base (.+), adapter (.+), n=(\d+)", last)
    if rates is None:
        raise SystemExit(f"tally demo ended with another line: {last}")
    seconds = time.monotonic() - started
    context.note(
        "held-out exact rate",
        f"base {rates[1]}, adapter {rates[2]}, n={rates[3]}, in {seconds:.0f} s",
        base=float(rates[1]),
        adapter=float(rates[2]),
        examples=int(rates[3]),
        demo_seconds=seconds,
    )
