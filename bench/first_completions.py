"""Completions sampled per group that teaches: groups that go on where their first ones differ.

    python -m bench.first_completions [--quick] [--seeds 43 44] [--steps 190] [--first 0 2 4]

Real jobs on the small policy with the documented settings, temperature 0.2 among them, but for the
4 bits. Nothing is timed: completions and groups are counted, and what is held out is answered while
they train.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from bench.jobs import Stack, running_stack, write_dataset
from bench.report import options, print_json, print_table
from bench.scenes import examples
from tally.job.settings import TrainingConfig
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_SIDE_PIXELS, _HELD_OUT = 112, 216
# All steps of an epoch are whole.
_STEPS_PER_EPOCH = 38
_DOCUMENTED = TrainingConfig()
_PROMPTS = _DOCUMENTED.batch_size * _DOCUMENTED.gradient_accumulation_steps
_EVALUATIONS = 2


@dataclass
class Run:
    """Of each step the completions that were sampled, the groups that taught, and the mean reward;
    of each evaluation the held-out exact rate."""

    completions: list[float] = field(default_factory=list)
    taught: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    exact_rates: list[float] = field(default_factory=list)

    def per_group(self, first: int = 0) -> float:
        """Completions sampled for each group that taught, from step `first` on."""
        return sum(self.completions[first:]) / max(sum(self.taught[first:]), 1)


def train(stack: Stack, spec: pb.JobSpec) -> Run:
    run = Run()
    for _, event in stack.run(spec):
        if event.WhichOneof("event") == "step_done":
            metrics = event.step_done.metrics
            run.completions.append(metrics.sampled_completions)
            run.taught.append(_PROMPTS * (1 - metrics.skipped_group_rate))
            run.rewards.append(metrics.reward_mean)
        elif event.WhichOneof("event") == "held_out_scored":
            run.exact_rates.append(event.held_out_scored.scores.exact_rate)
    return run


def spec_of(digests: list[str], first: int, seed: int, steps: int) -> pb.JobSpec:
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
                first_completions=first,
                seed=seed,
            ),
        ),
    )


def main() -> None:
    parser = options((__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44])
    parser.add_argument("--steps", type=int, default=5 * _STEPS_PER_EPOCH)
    parser.add_argument("--first", type=int, nargs="+", default=[0, 2, 4])
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.steps = chosen.seeds[:1], _STEPS_PER_EPOCH
    runs: dict[int, dict[int, Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = {"data": (_STEPS_PER_EPOCH * _PROMPTS, 1), "held_out": (_HELD_OUT, 2)}
        for part, (number, seed) in drawn.items():
            write_dataset(folder / f"{part}.zip", examples(number, _SIDE_PIXELS, seed=seed))
        with running_stack(folder, POLICY_PATH) as stack:
            digests = [stack.put(folder / f"{part}.zip") for part in drawn]
            for seed in chosen.seeds:
                runs[seed] = {
                    first: train(stack, spec_of(digests, first, seed, chosen.steps))
                    for first in chosen.first
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
            run.per_group(),
            run.per_group(len(run.taught) // 2),
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
