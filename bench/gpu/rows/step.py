"""Whole steps of a real job, sampled by the torch engine, with the processes of `tally up`."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from bench.gpu.row import RowContext
from bench.gpu.shapes import NUM_GENERATIONS, SIDE_PIXELS, write_model
from bench.job_steps import Step, median_parts, run_job
from bench.jobs import running_stack
from bench.scenes import examples
from tally.learner.v1 import learner_pb2 as pb

_STEPS = 6  # of an epoch
_LORA = {"r": 16, "lora_alpha": 32.0, "lora_dropout": 0.0}


def measure(context: RowContext) -> None:
    """One prompt a step; the first epoch encodes the images, the second has their features."""
    model = write_model(context)
    settings = stack_settings(context)
    with (
        tempfile.TemporaryDirectory(dir=context.work) as folder,
        running_stack(Path(folder), model, learner=settings, rollout=settings) as stack,
    ):
        taken = run_job(stack, examples(_STEPS + 1, SIDE_PIXELS), _training(), _LORA)
    _note(context, "first epoch", taken[:_STEPS])
    _note(context, "later", taken[_STEPS:])


def stack_settings(context: RowContext) -> dict[str, str]:
    """Of learner and replica alike."""
    return {
        "DEVICE": context.device,
        "DTYPE": "bfloat16",
        "FOUR_BIT_FOLDER": str(context.work / "4bit"),
    }


def _note(context: RowContext, case: str, taken: Sequence[Step]) -> None:
    whole = median(step.seconds for step in taken)
    parts = median_parts(taken)
    length = mean(step.metrics.completion_length_mean for step in taken)
    context.note(
        case,
        f"{whole:.3g} s a step, {NUM_GENERATIONS / whole:.3g} samples/s: {_say(parts)}; "
        f"{length:.1f} tokens an answer, {len(taken)} steps",
        step_seconds=whole,
        tokens=length,
        steps=len(taken),
        **{f"{name}_seconds": value for name, value in parts.items()},
    )


def _say(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g} s" for name, value in parts.items())


def _training() -> pb.TrainingConfig:
    return pb.TrainingConfig(
        num_epochs=2,
        learning_rate=1e-6,
        batch_size=1,
        gradient_accumulation_steps=1,
        num_generations=NUM_GENERATIONS,
        temperature=1.0,
        use_4bit=False,
        max_image_size=SIDE_PIXELS,
        max_new_tokens=16,
        save_steps=1_000_000,
        # Random weights earn equal rewards.
        zero_variance_groups=pb.ZERO_VARIANCE_GROUPS_LEARN,
    )
