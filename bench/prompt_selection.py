"""Groups that teach per completion sampled: prompts chosen by history beside prompts in turn.

    python -m bench.prompt_selection [--quick] [--seeds 43 44 45] [--steps 380]

The jobs are those of bench/counted_jobs.py.
"""

from statistics import fmean, median

from bench.counted_jobs import DOCUMENTED, PROMPTS, STEPS_PER_EPOCH, Run, counted_jobs
from bench.report import options, print_json, print_table
from tally.job.choices import PromptSelection
from tally.learner.v1 import learner_pb2 as pb

_EVALUATIONS = 4


def per_completion(run: Run, first: int = 0) -> float:
    """Groups that taught per completion sampled, from step `first` on."""
    return fmean(run.taught[first:]) / PROMPTS / DOCUMENTED.num_generations


def main() -> None:
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44, 45])
    parser.add_argument("--steps", type=int, default=10 * STEPS_PER_EPOCH)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.steps = chosen.seeds[:1], 2 * STEPS_PER_EPOCH
    named = {by: pb.PromptSelection.Value(f"PROMPT_SELECTION_{by.name}") for by in PromptSelection}
    with counted_jobs(steps=chosen.steps, evaluations=_EVALUATIONS) as jobs:
        runs = {
            seed: {by.value: jobs.train(seed, prompt_selection=named[by]) for by in named}
            for seed in chosen.seeds
        }
    _print(runs, {"seeds": chosen.seeds, "steps": chosen.steps})


def _print(runs: dict[int, dict[str, Run]], settings: dict[str, object]) -> None:
    rows, ratios, late_ratios = [], [], []
    for seed, by_selection in runs.items():
        for selection, run in by_selection.items():
            half = len(run.taught) // 2
            shares = [
                DOCUMENTED.num_generations * per_completion(run, first) for first in (0, half)
            ]
            rates = ", ".join(f"{rate:.3f}" for rate in run.exact_rates)
            rows.append([f"{seed}, {selection}", *shares, fmean(run.varied_rates), rates])
        in_turn, by_history = (by_selection[by.value] for by in PromptSelection)
        ratios.append(per_completion(by_history) / per_completion(in_turn))
        late_ratios.append(per_completion(by_history, half) / per_completion(in_turn, half))
    columns = ["seed", "groups that teach", "of the last half", "of all prompts", "held-out exact"]
    print_table(columns, rows)
    named = [f"seed {seed}" for seed in runs]
    print_table(
        ["by_history / uniform", *named, "median"],
        [
            ["groups that teach per completion", *ratios, median(ratios)],
            ["of the last half", *late_ratios, median(late_ratios)],
        ],
    )
    figures = {
        "ratio": median(ratios),
        "ratio_of_the_last_half": median(late_ratios),
        "runs": {seed: {by: vars(run) for by, run in of.items()} for seed, of in runs.items()},
    }
    print_json("prompt_selection", settings, figures)


if __name__ == "__main__":
    main()
