"""The learner and TRL's on the same completions, in turn; then TRL's peak memory."""

from statistics import median

from bench.gpu.row import RowContext
from bench.gpu.rows.learner import learner_case
from bench.gpu.shapes import write_model
from bench.learner import measure as measure_times
from bench.learner import peak_of
from bench.measure import median_ratio

_REPEATS = 5


def measure(context: RowContext) -> None:
    write_model(context)
    case = learner_case(context)
    times = measure_times(case, context.work, _REPEATS)
    trl, first, later = (times[name] for name in ("TRL", "Tally, first epoch", "Tally, later"))
    context.note(
        "time",
        f"TRL {median(trl):.3g} s, Tally {median(first):.3g} s in the first epoch "
        f"({median_ratio(trl, first):.1f}×), later {median(later):.3g} s "
        f"({median_ratio(trl, later):.1f}×)",
        trl_seconds=median(trl),
        first_epoch_seconds=median(first),
        later_seconds=median(later),
    )
    peaks = {side: peak_of(case, side, context.work) for side in ("TRL", "Tally")}
    said = ", ".join(f"{side} {peak['peak'] / 2**30:.2f} GiB" for side, peak in peaks.items())
    context.note("peak memory", said, **peaks)
