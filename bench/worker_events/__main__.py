"""What a step of a real job takes, and what of it is gRPC's.

    python -m bench.worker_events [--beside FOLDER] [--inside] [--quick]

The small policy at 112 px, on stacks that all train the same job. `gRPC` is a worker as it is; with
`pipe` it reports over a pipe, and its files go into the learner's own folders: all else is the same
code. gRPC may take 1.02 of that. `--beside` takes the services from another checkout, `--inside`
samples without a rollout service. The sides take turns of seconds, in which the processes of the
others stand still; a ratio is the median over pairs of turns. CPU time is that of the learner and
its worker together: what a rollout service takes is not in it.
"""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.measure import median_ratio
from bench.report import options, print_json, print_table
from bench.worker_events.job import SIDE_PIXELS
from bench.worker_events.running_job import Side, running_job

_SELF, _PIPE = "gRPC", "pipe"
_MOST_OVER_PIPE = 1.02
# Whoever stands still for longer loses connections, of which a sign of life is asked after 5 s.
_MOST_STILL_SECONDS = 4.0
_FIGURES = ("seconds", "cpu_seconds")

Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--beside", type=Path, help="another checkout, in turn with this one")
    parser.add_argument("--inside", action="store_true", help="a job that samples inside, in turn")
    chosen = parser.parse_args()
    sides = {_SELF: Side(), _PIPE: Side(learner_module="bench.worker_events.learner")}
    if chosen.beside:
        sides["beside"] = Side(house=chosen.beside.resolve())
    if chosen.inside:
        sides["inside"] = Side(sampling="inside")
    stacks, turns, most_seconds = (1, 2, 1.5) if chosen.quick else (3, 8, 3.0)
    seconds = min(most_seconds, _MOST_STILL_SECONDS / (len(sides) - 1))
    figures: Figures = {side: {name: [] for name in _FIGURES} for side in sides}
    for _ in range(stacks):
        for side, measured in _measure(sides, turns, seconds).items():
            for name in _FIGURES:
                figures[side][name] += measured[name]
    _print(figures)
    settings = {"stacks": stacks, "turns": turns, "seconds": seconds, "side_pixels": SIDE_PIXELS}
    print_json("worker_events", settings, figures)


def _measure(sides: Mapping[str, Side], turns: int, seconds: float) -> Figures:
    """Of a stack for each side, which is started for it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stacks:
        jobs = {
            named: stacks.enter_context(running_job(Path(name) / named, side))
            for named, side in sides.items()
        }
        for _ in range(turns):
            for job in jobs.values():
                job.go_on(seconds)
        return {named: job.figures() for named, job in jobs.items()}


def _print(figures: Figures) -> None:
    others = [side for side in figures if side != _SELF]
    rows: list[list[object]] = []
    for name in _FIGURES:
        of_side = {side: measured[name] for side, measured in figures.items()}
        ratios = [median_ratio(of_side[_SELF], of_side[side]) for side in others]
        rows.append([name.replace("_", " "), *map(median, of_side.values()), *ratios])
    print_table(["of a step", *figures, *(f"{_SELF} over {side}" for side in others)], rows)
    print_table(["seconds may be at most", ""], [[f"{_SELF} over {_PIPE}", _MOST_OVER_PIPE]])


if __name__ == "__main__":
    main()
