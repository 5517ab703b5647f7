"""The models of a day: 3B's shape with random weights, or the small one in a rehearsal."""

from pathlib import Path

from bench.gpu.row import RowContext
from bench.models import policy_folder

SIDE_PIXELS = 504  # what 512 px are on a grid of 28
NUM_GENERATIONS = 8


def shape_name(context: RowContext) -> str:
    return "small" if context.rehearse else "3b"


def write_model(context: RowContext) -> Path:
    """Into a folder of the shape's name in `work`, once for all rows; returns it."""
    name = shape_name(context)
    return policy_folder(name, context.work / name, dtype="bfloat16")
