"""What a job in NF4 takes of a card, sampling inside and with a replica, and whether 8 GB do.

The rest of a larger card is taken beforehand, so that the stack has a card of 8 GB; where that is
too little, once more without.
"""

import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.gpu.memory_watch import MemoryWatch, card_bytes_used, host_bytes_used, take_all_but
from bench.gpu.row import RowContext
from bench.gpu.rows.step import stack_settings
from bench.gpu.shapes import NUM_GENERATIONS, SIDE_PIXELS, write_model
from bench.job_steps import run_job
from bench.jobs import running_stack
from bench.scenes import examples
from tally.cli.stack.services import SamplingPlace
from tally.job.settings import LoraConfig
from tally.learner.v1 import learner_pb2 as pb

_CARD_BYTES = 8 * 2**30
_STEPS = 3
_PLACES: Sequence[SamplingPlace] = ("service", "inside")


def measure(context: RowContext) -> None:
    model = write_model(context)
    for place in _PLACES:
        _measure(context, model, place)


def _measure(context: RowContext, model: Path, place: SamplingPlace) -> None:
    if context.rehearse:
        _note(context, "whole machine", place, _peak_bytes(context, model, place))
        return
    gc.collect()
    torch.cuda.empty_cache()
    taken = take_all_but(_CARD_BYTES)
    try:
        _note(context, "card of 8 GB", place, _peak_bytes(context, model, place))
        return
    except Exception as error:
        case = f"card of 8 GB, {place}"
        context.note(case, f"does not fit: {str(error)[:300]}", fits=False)
    del taken
    torch.cuda.empty_cache()
    _note(context, "whole card", place, _peak_bytes(context, model, place))


def _peak_bytes(context: RowContext, model: Path, place: SamplingPlace) -> int:
    """The most during a job of a few steps, beyond what was taken before."""
    before = 0 if context.rehearse else card_bytes_used()
    settings = stack_settings(context)
    # Where memory is short, it says so soon.
    learner = {**settings, "ROLLOUT_WAIT_SECONDS": "60", "MAX_ATTEMPTS": "1"}
    rollout = {**settings, "USE_4BIT": "true"}
    with tempfile.TemporaryDirectory(dir=context.work) as folder:
        watch = MemoryWatch(host_bytes_used if context.rehearse else card_bytes_used)
        with (
            watch.watching(),
            running_stack(Path(folder), model, learner, rollout, sampling=place) as stack,
        ):
            run_job(stack, examples(_STEPS, SIDE_PIXELS), _training(), LoraConfig().model_dump())
    return watch.peak_bytes - before


def _training() -> pb.TrainingConfig:
    """A job's own defaults, but for its length."""
    return pb.TrainingConfig(
        num_epochs=1,
        batch_size=1,
        gradient_accumulation_steps=1,
        num_generations=NUM_GENERATIONS,
        temperature=1.0,
        use_4bit=True,
        max_image_size=512,
        max_new_tokens=64,
        save_steps=1_000_000,
    )


def _note(context: RowContext, card: str, place: SamplingPlace, peak_bytes: int) -> None:
    context.note(
        f"{card}, {place}",
        f"the stack in NF4 took {peak_bytes / 2**30:.2f} GiB at most",
        peak_bytes=peak_bytes,
        fits=peak_bytes <= _CARD_BYTES,
    )
