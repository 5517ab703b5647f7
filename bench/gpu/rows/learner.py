"""The learner alone: seconds of a step, share of the card's own product, peak memory."""

from functools import partial
from statistics import median

from bench.efficiency import measure_share
from bench.gpu.row import RowContext
from bench.gpu.shapes import NUM_GENERATIONS, SIDE_PIXELS, shape_name, write_model
from bench.learner import Case, tally_side
from bench.measure import in_turn, seconds
from bench.peak_memory import PeakMemory

_REPEATS = 5


def measure(context: RowContext) -> None:
    write_model(context)
    case = learner_case(context)
    memory = PeakMemory(context.device)
    tally = tally_side(case, context.work)
    loaded = memory.figures().peak
    forward_pass = tally.forward_pass(*case.batch())
    anew = partial(seconds, lambda: tally.learn_anew(forward_pass), case.device)
    first = median(in_turn({"first": anew}, _REPEATS)["first"])
    share = measure_share(case, tally, forward_pass, _REPEATS)
    context.note(
        "time",
        f"first epoch {first:.3g} s, later {share['step_seconds']:.3g} s, "
        f"{NUM_GENERATIONS / share['step_seconds']:.3g} samples/s",
        first_epoch_seconds=first,
        later_seconds=share["step_seconds"],
    )
    context.note(
        "share",
        f"{share['share']:.2f} of {share['machine_gflop_per_second'] / 1e3:.3g} TFLOP/s",
        **share,
    )
    step = PeakMemory(context.device)
    for _ in range(3):
        tally.learn(forward_pass)
    figures = step.figures()
    context.note(
        "memory",
        f"peak {figures.peak / 2**30:.2f} GiB in a step, {figures.rest / 2**30:.2f} GiB between "
        f"steps, {loaded / 2**30:.2f} GiB while loading",
        step_peak_bytes=figures.peak,
        rest_bytes=figures.rest,
        loading_peak_bytes=loaded,
    )


def learner_case(context: RowContext) -> Case:
    """One prompt of 504 px and 8 completions, in the precision that the row names."""
    return Case(
        policy=shape_name(context),
        side_pixels=SIDE_PIXELS,
        num_generations=NUM_GENERATIONS,
        dtype="bfloat16",
        use_4bit=context.argument == "nf4",
        device=context.device,
    )
