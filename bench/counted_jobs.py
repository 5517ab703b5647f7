"""Real jobs on the small policy of which groups are counted, and nothing is timed.

They have the documented settings, temperature 0.2 among them, but for the 4 bits; what is held out
is answered while they train.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.jobs import Stack, running_stack, write_dataset
from bench.scenes import examples
from tally.job.settings import TrainingConfig
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

DOCUMENTED = TrainingConfig()
PROMPTS = DOCUMENTED.batch_size * DOCUMENTED.gradient_accumulation_steps
# All steps of an epoch are whole.
STEPS_PER_EPOCH = 38
_SIDE_PIXELS, _HELD_OUT = 112, 216


@dataclass
class Run:
    """Of each step the completions that were sampled, the groups that taught, the share that would
    have among all rows, and the mean reward; of each evaluation the held-out exact rate."""

    completions: list[float] = field(default_factory=list)
    taught: list[float] = field(default_factory=list)
    varied_rates: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    exact_rates: list[float] = field(default_factory=list)


class CountedJobs:
    """Jobs on one stack and the same data, each of `steps` with so many `evaluations`."""

    def __init__(self, stack: Stack, digests: list[str], *, steps: int, evaluations: int) -> None:
        self._stack = stack
        self._dataset, self._held_out = digests
        self._steps = steps
        self._evaluations = evaluations

    def train(self, seed: int, **changes: Any) -> Run:
        """`changes` are of the settings, as TrainingConfig of learner.proto has them."""
        run = Run()
        for _, event in self._stack.run(self._spec(seed, changes)):
            if event.WhichOneof("event") == "step_done":
                metrics = event.step_done.metrics
                run.completions.append(metrics.sampled_completions)
                run.taught.append(PROMPTS * (1 - metrics.skipped_group_rate))
                run.varied_rates.append(1 - metrics.zero_variance_group_rate)
                run.rewards.append(metrics.reward_mean)
            elif event.WhichOneof("event") == "held_out_scored":
                run.exact_rates.append(event.held_out_scored.scores.exact_rate)
        return run

    def _spec(self, seed: int, changes: dict[str, Any]) -> pb.JobSpec:
        config = pb.TrainingConfig(
            num_epochs=-(-self._steps // STEPS_PER_EPOCH),
            max_steps=self._steps,
            use_4bit=False,
            evaluation_steps=self._steps // self._evaluations,
            seed=seed,
            **changes,
        )
        training = pb.Training(evaluation_dataset_digest=self._held_out, config=config)
        return pb.JobSpec(dataset_digest=self._dataset, train=training)


@contextmanager
def counted_jobs(*, steps: int, evaluations: int) -> Iterator[CountedJobs]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = {"data": (STEPS_PER_EPOCH * PROMPTS, 1), "held_out": (_HELD_OUT, 2)}
        for part, (number, seed) in drawn.items():
            write_dataset(folder / f"{part}.zip", examples(number, _SIDE_PIXELS, seed=seed))
        with running_stack(folder, POLICY_PATH) as stack:
            digests = [stack.put(folder / f"{part}.zip") for part in drawn]
            yield CountedJobs(stack, digests, steps=steps, evaluations=evaluations)
