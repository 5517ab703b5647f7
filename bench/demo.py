"""`tally demo` with a rollout service and sampling inside of the job, in turn.

    python -m bench.demo [--quick] [--repeats 3]

Seconds are those of the whole command, start and end of the services among them; of a step, what
each part of it took is the job's own account (the files of the output). Both answer the same
held-out scenes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.measure import median_ratio
from bench.report import options, print_json, print_table
from learner_service.job_folder.output_files import STATE
from tally.cli.stack.services import SamplingPlace

_PLACES: Sequence[SamplingPlace] = ("service", "inside")
_LAST_LINE = re.compile(r"held-out exact rate: base (.+), adapter (.+), n=(\d+)")


@dataclass(frozen=True, kw_only=True)
class DemoFigures:
    """Exact rates on so many examples; seconds of all of it, and of the median step."""

    base: float
    adapter: float
    examples: int
    seconds: float
    step_seconds: float


def run_demo(output: Path, *demo_options: str) -> DemoFigures:
    """Shows what it says. Raises SystemExit where it fails, or ends with another line."""
    started = time.monotonic()
    command = [sys.executable, "-m", "tally.cli", "demo", f"--output={output}", *demo_options]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - started
    sys.stderr.write(run.stdout)
    if run.returncode:
        raise SystemExit(f"tally demo ended with {run.returncode}")
    last = run.stdout.strip().splitlines()[-1]
    rates = _LAST_LINE.fullmatch(last)
    if rates is None:
        raise SystemExit(f"tally demo ended with another line: {last}")
    return DemoFigures(
        base=float(rates[1]),
        adapter=float(rates[2]),
        examples=int(rates[3]),
        seconds=seconds,
        step_seconds=_median_step(output / "adapter.zip"),
    )


def _median_step(archive: Path) -> float:
    with zipfile.ZipFile(archive) as file:
        entries = json.loads(file.read(STATE))["log_history"]
    seconds: list[float] = [entry["step_seconds"] for entry in entries if "step_seconds" in entry]
    return median(seconds)


def print_figures(taken: Mapping[SamplingPlace, Sequence[DemoFigures]], repeats: int) -> None:
    rows: list[list[object]] = [
        [
            place,
            median(one.seconds for one in taken[place]),
            median(one.step_seconds for one in taken[place]),
            taken[place][-1].base,
            taken[place][-1].adapter,
        ]
        for place in _PLACES
    ]
    print_table(["who samples", "seconds", "of a step", "base", "adapter"], rows)
    service, inside = ([one.seconds for one in taken[place]] for place in _PLACES)
    figures: dict[str, Any] = {place: list(map(asdict, taken[place])) for place in _PLACES}
    figures["service_over_inside"] = median_ratio(service, inside)
    print_json("demo", {"repeats": repeats, "cores": os.cpu_count()}, figures)


def main() -> None:
    parser = options("the demo with a rollout service and inside of the job, in turn")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeats
    taken: dict[SamplingPlace, list[DemoFigures]] = {place: [] for place in _PLACES}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats):
            for place in _PLACES:
                output = Path(folder) / f"{place}-{number}"
                taken[place].append(run_demo(output, f"--rollouts={place}"))
    print_figures(taken, repeats)


if __name__ == "__main__":
    main()
