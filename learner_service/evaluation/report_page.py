"""The comparison as one HTML page: styles, drawings and pictures are in it. Pure."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from learner_service.evaluation.row_scores import SCORES
from tally.job.comparison import FAR_OFF_ABOVE, Comparison, IntervalScores, Matrix
from tally.text.sinks import to_page

_PICTURE_PIXELS = 240
_LABELS = {
    "exact_rate": "Exactly right",
    "within_one_rate": "At most 1 off",
    "median_absolute_count_error": "Median error",
    "mean_absolute_count_error": "Mean error",
    "root_mean_square_count_error": "Root mean square error",
    "far_off_rate": f"More than {FAR_OFF_ABOVE} off",
    "reward_mean": "Mean reward",
    "parse_failure_rate": "No count in the answer",
}


def render(comparison: Comparison, about: dict[str, str], pictures: Sequence[bytes]) -> str:
    """`about` is what the page says of the job; `pictures` are those of comparison.worst."""
    environment = Environment(
        loader=PackageLoader("learner_service.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        # Not what macros made, which is HTML already.
        finalize=lambda value: to_page(value) if type(value) is str else value,
    )
    environment.filters |= FILTERS
    template = environment.get_template("report.html.j2")
    return template.render(
        about=about,
        it=comparison,
        summary=summarize(comparison),
        matrices=[_matrix(comparison.matrix, model) for model in ("base", "adapter")],
        worst=list(zip(comparison.worst, map(_data_uri, pictures), strict=True)),
    )


def summarize(comparison: Comparison) -> list[dict[str, str]]:
    """The figures with their intervals in words, a line for each score."""
    return [_summary(comparison, name) for name in SCORES]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


# How templates write a share, and a probability.
FILTERS = {"percent": _percent, "decimal": _decimal}


def _summary(comparison: Comparison, name: str) -> dict[str, str]:
    """A line of the first table: the figures with their intervals."""
    cells = {"label": _LABELS[name]}
    for model in ("base", "adapter", "difference"):
        scores: IntervalScores = getattr(comparison, model)
        value, ends = getattr(scores, name), scores.intervals[name]
        sign = "+" if model == "difference" else ""
        cells[model] = _number(value, name, sign)
        cells[f"{model}_interval"] = (
            f"{_number(ends[0], name, sign)} to {_number(ends[1], name, sign)}" if ends else ""
        )
    return cells


def _number(value: float | None, name: str, sign: str) -> str:
    if value is None:
        return "–"
    return f"{100 * value:{sign}.1f} %" if name.endswith("_rate") else f"{value:{sign}.2f}"


def _matrix(matrix: Matrix, model: str) -> dict[str, Any]:
    """Rows of cells with the share of their row, which is how dark they are."""
    rows = []
    for label, counts in zip(matrix.true_labels, getattr(matrix, model), strict=True):
        total = sum(counts)
        cells = [
            {"count": count, "share": round(count / total, 3), "right": label == column}
            for count, column in zip(counts, matrix.answer_labels, strict=True)
        ]
        rows.append({"label": label, "cells": cells})
    return {"model": model, "columns": matrix.answer_labels, "rows": rows}


def _data_uri(picture: bytes) -> str:
    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB")
    small.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
