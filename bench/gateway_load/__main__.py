"""The gateway while a job trains: reads at an even rate, uploads at once, watchers that vanish.

All on one machine: what the clients compute is taken from the job too.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.gateway_load.plan import QUICK, Plan
from bench.gateway_load.reads import Answer
from bench.gateway_load.run import Outcome, run
from bench.report import options, print_json, print_table
from gateway.settings import MIB

_log = logging.getLogger(__name__)
_ALL = "all"


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where uploads and data lie meanwhile")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else Plan()
    logging.basicConfig(format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        outcome = run(plan, Path(folder), _log.warning)
    _print(plan, outcome)


def _print(plan: Plan, outcome: Outcome) -> None:
    phases = {name: _phase_figures(outcome, name) for name in outcome.phases.by_name}
    reads = {name: _read_figures(some) for name, some in _by_path(outcome.answers).items()}
    rounds = [asdict(one) for one in outcome.rounds]
    uploads = {
        "answers": _counts(outcome.uploads),
        "judging_cpu_seconds_each": outcome.judging_cpu_seconds,
    }
    print_table(
        ["while", "s", "steps/s", "over quiet", "gateway's CPU, s", "its MiB", "more", "after"],
        [[name, *one.values()] for name, one in phases.items()],
    )
    print_table(
        ["reads", "answers", "p50, ms", "p99, ms", "most, ms"],
        [[name, *one.values()] for name, one in reads.items()],
    )
    print_table(["uploads", "judging each, CPU s"], [list(uploads.values())])
    print_table(
        ["round", "watched at once", "one more refused", "s until all did"],
        [[number, *one.values()] for number, one in enumerate(rounds, start=1)],
    )
    figures = {"phases": phases, "reads": reads, "uploads": uploads, "watchers": rounds}
    print_json("gateway_load", asdict(plan), figures)


def _phase_figures(outcome: Outcome, name: str) -> dict[str, float]:
    phase = outcome.phases.by_name[name]
    return {
        "seconds": phase.seconds,
        "steps_per_second": phase.steps_per_second,
        "training_over_quiet": outcome.phases.pace(name),
        "gateway_cpu_seconds": phase.cpu_seconds,
        "gateway_mib": phase.rest_bytes / MIB,
        "grew_by_mib": phase.growth_bytes / MIB,
        "kept_mib": (phase.end_bytes - phase.rest_bytes) / MIB,
    }


def _by_path(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Those of all paths first."""
    by_path: dict[str, list[Answer]] = {_ALL: []}
    for one in answers:
        by_path[_ALL].append(one)
        by_path.setdefault(one.path, []).append(one)
    return by_path


def _read_figures(answers: Iterable[Answer]) -> dict[str, Any]:
    answers = list(answers)
    percentiles = quantiles([1e3 * one.seconds for one in answers], n=100, method="inclusive")
    return {
        "answers": _counts(one.status for one in answers),
        "p50_milliseconds": percentiles[49],
        "p99_milliseconds": percentiles[98],
        "most_milliseconds": 1e3 * max(one.seconds for one in answers),
    }


def _counts(statuses: Iterable[int]) -> dict[str, int]:
    return {str(status): number for status, number in sorted(Counter(statuses).items())}


if __name__ == "__main__":
    main()
