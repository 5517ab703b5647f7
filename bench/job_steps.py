"""The optimizer steps of a real job: how long each took, and what its time went to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from bench.jobs import Stack, write_dataset
from bench.scenes import Example
from tally.learner.v1 import learner_pb2 as pb


@dataclass(frozen=True, kw_only=True)
class Step:
    """An optimizer step of a job: from the end of the one before to its own, and its metrics."""

    seconds: float
    metrics: pb.StepMetrics


def run_job(
    stack: Stack,
    shown: Sequence[Example],
    training: pb.TrainingConfig,
    lora: Mapping[str, Any],
) -> list[Step]:
    """Those of a job on `shown` but the first, whose beginning is not in the log."""
    dataset = stack.data_dir / "dataset.zip"
    write_dataset(dataset, shown)
    spec = pb.JobSpec(
        dataset_digest=stack.put(dataset),
        train=pb.Training(
            evaluation_share=0,
            config=training,
            lora=pb.LoraConfig(**lora),
        ),
    )
    done = [event for _, event in stack.run(spec) if event.HasField("step_done")]
    return [
        Step(
            seconds=(after.time.ToNanoseconds() - before.time.ToNanoseconds()) / 1e9,
            metrics=after.step_done.metrics,
        )
        for before, after in pairwise(done)
    ]


def median_parts(taken: Sequence[Step]) -> dict[str, float]:
    """Median seconds of each part of a step; `other` is what no part accounts for."""
    parts = {
        name: median(getattr(step.metrics, f"{name}_seconds") for step in taken)
        for name in ("rollout", "reward", "learning")
    }
    whole = median(step.seconds for step in taken)
    return parts | {"other": whole - sum(parts.values())}
