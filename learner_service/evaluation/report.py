"""The comparison as files: JSON, CSV with every answer, and in each language a page that needs
nothing else."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from learner_service.evaluation.answers import RowAnswers, ScoredAnswer
from learner_service.evaluation.report_page import About, data_uri, render
from tally.job.comparison import Comparison
from tally.messages.languages import Language
from tally.text.sinks import to_cell

JSON_NAME = "evaluation.json"
CSV_NAME = "evaluation.csv"
# By language; one without its name is English, as all were once.
PAGE_NAMES = {Language.ENGLISH: "evaluation.html", Language.CHINESE: "evaluation.zh-TW.html"}
CSV_COLUMNS = (
    "row",
    "question",
    "true_count",
    "model",
    "answer",
    "count",
    "difference",
    "reward",
    "probability",
)


def write_report(
    path: Path,
    comparison: Comparison,
    compared: Sequence[RowAnswers],
    *,
    about: About,
    open_picture: Callable[[str], bytes],
) -> None:
    """Writes the ZIP of its files; `open_picture` gives a staged image by its digest."""
    digest_by_row = {one.row.number: one.row.image_digest for one in compared}
    pictures = [data_uri(open_picture(digest_by_row[one.row])) for one in comparison.worst]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(asdict(comparison), ensure_ascii=False, allow_nan=False)
        archive.writestr(JSON_NAME, text)
        archive.writestr(CSV_NAME, csv_text(compared))
        for language, name in PAGE_NAMES.items():
            archive.writestr(name, render(comparison, about, pictures, language))


def read_comparison(path: Path) -> Comparison:
    """What a report that was written here found."""
    with zipfile.ZipFile(path) as archive:
        return TypeAdapter(Comparison).validate_json(archive.read(JSON_NAME))


def csv_text(compared: Sequence[RowAnswers]) -> str:
    """One line for each row and model."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for one in compared:
        writer.writerows(_lines(one))
    return buffer.getvalue()


def _lines(one: RowAnswers) -> Iterator[tuple[object, ...]]:
    answers: dict[str, ScoredAnswer] = {"base": one.base, "adapter": one.adapter}
    for model, answered in answers.items():
        score = answered.score
        yield (
            one.row.number,
            to_cell(one.row.question),
            one.row.true_count,
            model,
            to_cell(answered.text),
            score.count,
            score.difference,
            score.reward,
            answered.probability,
        )
