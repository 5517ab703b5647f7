"""Groups that teach per completion sampled: prompts chosen by history beside prompts in turn.

    python -m bench.prompt_selection [--quick] [--seeds 43 44 45] [--steps 380]

Real jobs on the small policy with the documented settings, temperature 0.2 among them, but for the
4 bits. Nothing is timed: groups are counted, and what is held out is answered while they train.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

from bench.jobs import Stack, running_stack, write_dataset
from bench.report import options, print_json, print_table
from bench.scenes import examples
from tally.job.choices import PromptSelection
from tally.job.settings import TrainingConfig
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_SIDE_PIXELS, _HELD_OUT = 112, 216
# All steps of an epoch are whole.
_STEPS_PER_EPOCH = 38
_DOCUMENTED = TrainingConfig()
_PROMPTS = _DOCUMENTED.batch_size * _DOCUMENTED.gradient_accumulation_steps
_EVALUATIONS = 4


@dataclass
class Run:
    """Of each step the groups that taught, and the share that would have among all rows; of each
    evaluation the held-out exact rate."""

    taught: list[float] = field(default_factory=list)
    varied_rates: list[float] = field(default_factory=list)
    exact_rates: list[float] = field(default_factory=list)

    def per_completion(self, first: int = 0) -> float:
        """Groups that taught per completion sampled, from step `first` on."""
        return fmean(self.taught[first:]) / _PROMPTS / _DOCUMENTED.num_generations


def train(stack: Stack, spec: pb.JobSpec) -> Run:
    run = Run()
    for _, event in stack.run(spec):
        if event.WhichOneof("event") == "step_done":
            metrics = event.step_done.metrics
            run.taught.append(_PROMPTS * (1 - metrics.skipped_group_rate))
            run.varied_rates.append(1 - metrics.zero_variance_group_rate)
        elif event.WhichOneof("event") == "held_out_scored":
            run.exact_rates.append(event.held_out_scored.scores.exact_rate)
    return run


def spec_of(digests: list[str], selection: PromptSelection, seed: int, steps: int) -> pb.JobSpec:
    dataset, held_out = digests
    return pb.JobSpec(
        dataset_digest=dataset,
        train=pb.Training(
            evaluation_dataset_digest=held_out,
            config=pb.TrainingConfig(
                num_epochs=-(-steps // _STEPS_PER_EPOCH),
                max_steps=steps,
                use_4bit=False,
                evaluation_steps=steps // _EVALUATIONS,
                prompt_selection=pb.PromptSelection.Value(f"PROMPT_SELECTION_{selection.name}"),
                seed=seed,
            ),
        ),
    )


def main() -> None:
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44, 45])
    parser.add_argument("--steps", type=int, default=10 * _STEPS_PER_EPOCH)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.steps = chosen.seeds[:1], 2 * _STEPS_PER_EPOCH
    runs: dict[int, dict[str, Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = {"data": (_STEPS_PER_EPOCH * _PROMPTS, 1), "held_out": (_HELD_OUT, 2)}
        for part, (number, seed) in drawn.items():
            write_dataset(folder / f"{part}.zip", examples(number, _SIDE_PIXELS, seed=seed))
        with running_stack(folder, POLICY_PATH) as stack:
            digests = [stack.put(folder / f"{part}.zip") for part in drawn]
            for seed in chosen.seeds:
                runs[seed] = {
                    by.value: train(stack, spec_of(digests, by, seed, chosen.steps))
                    for by in PromptSelection
                }
    _print(runs, {"seeds": chosen.seeds, "steps": chosen.steps})


def _print(runs: dict[int, dict[str, Run]], settings: dict[str, object]) -> None:
    rows, ratios, late_ratios = [], [], []
    for seed, by_selection in runs.items():
        for selection, run in by_selection.items():
            half = len(run.taught) // 2
            shares = [
                _DOCUMENTED.num_generations * run.per_completion(first) for first in (0, half)
            ]
            rates = ", ".join(f"{rate:.3f}" for rate in run.exact_rates)
            rows.append([f"{seed}, {selection}", *shares, fmean(run.varied_rates), rates])
        in_turn, by_history = (by_selection[by.value] for by in PromptSelection)
        ratios.append(by_history.per_completion() / in_turn.per_completion())
        late_ratios.append(by_history.per_completion(half) / in_turn.per_completion(half))
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
