"""Completions sampled per group that teaches: groups that go on where their first ones differ.

    python -m bench.first_completions [--quick] [--seeds 43 44] [--steps 190] [--first 0 2 4]

The jobs are those of bench/counted_jobs.py.
"""

from statistics import fmean

from bench.counted_jobs import STEPS_PER_EPOCH, Run, counted_jobs
from bench.report import options, print_json, print_table

_EVALUATIONS = 2


def per_group(run: Run, first: int = 0) -> float:
    """Completions sampled for each group that taught, from step `first` on."""
    return sum(run.completions[first:]) / max(sum(run.taught[first:]), 1)


def main() -> None:
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44])
    parser.add_argument("--steps", type=int, default=5 * STEPS_PER_EPOCH)
    parser.add_argument("--first", type=int, nargs="+", default=[0, 2, 4])
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.steps = chosen.seeds[:1], STEPS_PER_EPOCH
    with counted_jobs(steps=chosen.steps, evaluations=_EVALUATIONS) as jobs:
        runs = {
            seed: {first: jobs.train(seed, first_completions=first) for first in chosen.first}
            for seed in chosen.seeds
        }
    _print(runs, {"seeds": chosen.seeds, "steps": chosen.steps, "first": chosen.first})


def _print(runs: dict[int, dict[int, Run]], settings: dict[str, object]) -> None:
    columns = [
        "seed, first_completions",
        "completions a step",
        "groups that teach, a step",
        "completions for each",
        "of the last half",
        "reward",
        "held-out exact",
    ]
    rows = [
        [
            f"{seed}, {first}",
            fmean(run.completions),
            fmean(run.taught),
            per_group(run),
            per_group(run, len(run.taught) // 2),
            fmean(run.rewards),
            ", ".join(f"{rate:.3f}" for rate in run.exact_rates),
        ]
        for seed, by_first in runs.items()
        for first, run in by_first.items()
    ]
    print_table(columns, rows)
    figures = {
        "runs": {
            str(seed): {str(first): vars(run) for first, run in by_first.items()}
            for seed, by_first in runs.items()
        }
    }
    print_json("first_completions", settings, figures)


if __name__ == "__main__":
    main()
