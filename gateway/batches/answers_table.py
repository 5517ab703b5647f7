"""A batch's answers as a table for a spreadsheet. Pure, but for reading the ZIP of the answers."""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.batches.batch_archive import BatchPicture
from tally.text.sinks import to_cell

_PREDICTIONS = "predictions.jsonl"
COLUMNS = ("image", "question", "count", "probability", "abstained", "answer", "note")
Answer = Mapping[str, Any]


def read_answers(path: Path) -> dict[int, Answer]:
    """By their rows, as learner.proto says of a Prediction's result."""
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(_PREDICTIONS).decode().splitlines()
    return {answer["row"]: answer for answer in map(json.loads, lines)}


def answers_csv(
    pictures: Iterable[BatchPicture],
    answers: Mapping[int, Answer],
    question: str,
    abstain_below: float,
) -> str:
    """A line for each picture. A count is left out where the answer is less probable than
    `abstain_below`; an answer without one, and a picture that can't be read, have a note."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for picture in pictures:
        answer = None if picture.row is None else answers.get(picture.row)
        cells = _answer_cells(answer, abstain_below) if answer else ("", "", "", "", picture.fault)
        writer.writerow((to_cell(picture.image), to_cell(question), *cells))
    return buffer.getvalue()


def _answer_cells(answer: Answer, abstain_below: float) -> Iterator[object]:
    count, probability = answer["count"], answer["probability"]
    abstains = count is not None and probability < abstain_below
    yield "" if count is None or abstains else count
    yield f"{probability:.6g}"
    yield "true" if abstains else "false"
    yield to_cell(answer["text"])
    yield answer["explanation"]
