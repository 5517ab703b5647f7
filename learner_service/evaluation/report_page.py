"""The comparison as one HTML page: styles, drawings and pictures are in it. Pure."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from learner_service.evaluation.comparison import NO_COUNT
from learner_service.evaluation.row_scores import SCORES
from tally.job.comparison import FAR_OFF_ABOVE, Comparison, Interval, IntervalScores, Matrix
from tally.messages.languages import Language
from tally.messages.message import Message, Value
from tally.text.sinks import to_page

_PICTURE_PIXELS = 240


@dataclass(frozen=True, kw_only=True)
class About:
    """What the page says of the job; an empty title is none."""

    title: str
    base_model: str


def render(
    comparison: Comparison, about: About, pictures: Sequence[str], language: Language
) -> str:
    """`pictures` are those of comparison.worst, as `data_uri` makes them."""

    def say(code: str, **values: Value) -> str:
        return Message(code, **values).say(language)

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
        language=language,
        say=say,
        title=about.title or Message("report_unnamed").say(language),
        about=about,
        it=comparison,
        warnings=[_sentence(warning, language) for warning in cautions(comparison)],
        summary=summarize(comparison, language),
        no_count=NO_COUNT,
        matrices=[_matrix(comparison.matrix, model) for model in ("base", "adapter")],
        worst=list(zip(comparison.worst, pictures, strict=True)),
    )


def cautions(comparison: Comparison) -> list[Message]:
    """What its warnings say."""
    return [Message(one.code, **one.parameters) for one in comparison.cautions]


def _sentence(warning: Message, language: Language) -> str:
    """As it stands by itself."""
    said = Message("report_sentence", said=warning).say(language)
    return said[:1].upper() + said[1:]


def summarize(
    comparison: Comparison, language: Language = Language.ENGLISH
) -> list[dict[str, str]]:
    """The figures with their intervals in words, a line for each score."""
    return [_summary(comparison, name, language) for name in SCORES]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


# How templates write a share, and a probability.
FILTERS = {"percent": _percent, "decimal": _decimal}


def _summary(comparison: Comparison, name: str, language: Language) -> dict[str, str]:
    """A line of the first table: the figures with their intervals."""
    label = Message(f"figure_{name}", most=FAR_OFF_ABOVE)
    cells = {"label": label.say(language)}
    for model in ("base", "adapter", "difference"):
        scores: IntervalScores = getattr(comparison, model)
        value, ends = getattr(scores, name), scores.intervals[name]
        sign = "+" if model == "difference" else ""
        cells[model] = _number(value, name, sign)
        cells[f"{model}_interval"] = _interval(ends, name, sign).say(language) if ends else ""
    return cells


def _interval(ends: Interval, name: str, sign: str) -> Message:
    low, high = (_number(end, name, sign) for end in ends)
    return Message("report_from_to", low=low, high=high)


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


def data_uri(picture: bytes) -> str:
    """A small JPEG of an image file, for a page that has its pictures in it."""
    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB")
    small.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
