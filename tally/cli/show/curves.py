"""A picture of a training: reward, exact rate and loss over steps."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tally.cli.answers import Json

_CURVES = (
    ("reward_mean", "Mean reward"),
    ("exact_rate", "Exact rate"),
    ("loss", "Loss"),
)
_COLOURS = ("#1b6ca8", "#2a7f3f", "#a8481b")


def draw_curves(steps: Sequence[Json], path: Path, *, title: str) -> None:
    """Writes a PNG: each step as it was, and a running mean over a twentieth of the steps."""
    figure = Figure(figsize=(13, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    plots = figure.subplots(1, len(_CURVES), squeeze=False)[0]
    for plot, (name, label), colour in zip(plots, _CURVES, _COLOURS, strict=True):
        points = [(s["step"], s[name]) for s in steps if s.get(name) is not None]
        _draw(plot, points, label, colour)
    plots[1].set_ylim(-0.02, 1.02)
    figure.savefig(path)


def running_mean(values: list[float], window: int) -> list[float]:
    """Each value's mean with the up to window - 1 before it."""
    parts = [values[max(0, i + 1 - window) : i + 1] for i in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def _draw(plot: Axes, points: list[tuple[int, float]], label: str, colour: str) -> None:
    steps, values = [p[0] for p in points], [p[1] for p in points]
    window = max(1, len(values) // 20)
    plot.plot(steps, values, color=colour, alpha=0.3, linewidth=1, label="each step")
    if window > 1:
        mean = running_mean(values, window)
        plot.plot(steps, mean, color=colour, linewidth=2, label=f"mean of {window} steps")
    plot.set_title(label)
    plot.set_xlabel("Optimizer step")
    plot.set_ylabel(label)
    plot.grid(alpha=0.3)
    plot.legend(loc="best", frameon=False)
