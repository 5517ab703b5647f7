"""The report: its CSV gives the same figures by hand, its page needs nothing but itself."""

import csv
import io
import json
import math
import re
import statistics
import zipfile
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from learner_service.data.images import to_png
from learner_service.evaluation.answers import RowAnswers
from learner_service.evaluation.comparison import comparison
from learner_service.evaluation.report import csv_text, write_report
from learner_service.evaluation.report_page import About
from tally.messages.languages import Language
from tally.messages.message import SENTENCES, Message
from tests.learner_service.evaluation.test_comparison import FOUR, compared

ENGLISH = SENTENCES[Language.ENGLISH]
ABOUT = About(title="apples <script>alert(1)</script>", base_model="small")
MANY = [
    compared(
        2 + n, 1 + n % 6, (n * 7) % 5 or None, 1 + (n * 3) % 6, kind="cars" if n % 3 else "cats"
    )
    for n in range(60)
]


def by_hand(text: str, model: str) -> dict[str, float]:
    """The eight figures out of the CSV, with nothing of the code that wrote it."""
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["model"] == model]
    errors = [abs(int(row["count"]) - int(row["true_count"])) for row in rows if row["count"]]
    return {
        "exact_rate": errors.count(0) / len(rows),
        "within_one_rate": sum(error <= 1 for error in errors) / len(rows),
        "median_absolute_count_error": statistics.median(errors),
        "mean_absolute_count_error": sum(errors) / len(errors),
        "root_mean_square_count_error": math.sqrt(sum(e * e for e in errors) / len(errors)),
        "far_off_rate": sum(error > 5 for error in errors) / len(rows),
        "reward_mean": sum(float(row["reward"]) for row in rows) / len(rows),
        "parse_failure_rate": (len(rows) - len(errors)) / len(rows),
    }


@pytest.mark.parametrize("both", [FOUR, MANY], ids=["four", "sixty"])
def test_the_figures_are_those_of_the_csv(both: list[RowAnswers]):
    result, text = asdict(comparison(both, seed=43)), csv_text(both)
    for model in ("base", "adapter"):
        figures = by_hand(text, model)
        assert {name: result[model][name] for name in figures} == pytest.approx(figures)
        for name, value in figures.items():
            low, high = result[model]["intervals"][name]
            assert low <= value <= high


def test_a_line_has_the_answer_and_how_it_was_scored():
    lines = list(csv.reader(io.StringIO(csv_text(FOUR))))
    assert lines[0][:4] == ["row", "question", "true_count", "model"]
    assert lines[5] == [
        "4",
        "How many cars are there?",
        "5",
        "base",
        "None cars",
        "",
        "",
        "0.0",
        "0.5",
    ]
    assert lines[4] == [
        "3",
        "How many apples are there?",
        "3",
        "adapter",
        "3 apples",
        "3",
        "0",
        "1.0",
        "0.5",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝", "\u200b＠"])
def test_a_formula_is_made_harmless(start: str):
    from dataclasses import replace

    one = FOUR[0]
    evil = f"{start}cmd|' /C calc'!A0"
    one = replace(
        one,
        row=replace(one.row, question=evil),
        base=replace(one.base, text=evil),
    )
    row = list(csv.reader(io.StringIO(csv_text([one]), newline="")))[1]
    assert row[1] == row[4] == f"'{evil}"


class References(HTMLParser):
    """Every attribute that makes a browser fetch or run something, and what is shown as text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        fetching = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background")
        self.fetched += [value or "" for name, value in attributes if name in fetching]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report(tmp_path: Path) -> zipfile.ZipFile:
    path = tmp_path / "evaluation.zip"
    result = comparison([*FOUR, *MANY[4:]], seed=43)
    picture = to_png(Image.new("RGB", (300, 200), "red"))
    write_report(path, result, [*FOUR, *MANY[4:]], about=ABOUT, open_picture=lambda digest: picture)
    return zipfile.ZipFile(path)


def test_the_page_fetches_nothing_and_runs_nothing(report: zipfile.ZipFile):
    page = report.read("evaluation.html").decode()
    references = References()
    references.feed(page)
    assert references.fetched
    assert all(value.startswith("data:image/jpeg;base64,") for value in references.fetched)
    assert not {"script", "link", "iframe", "object", "embed"} & set(references.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert "apples <script>alert(1)</script>" in references.text


def test_the_page_shows_figures_matrix_and_worst(report: zipfile.ZipFile):
    references = References()
    references.feed(report.read("evaluation.html").decode())
    result = json.loads(report.read("evaluation.json"))
    shown = f"{100 * result['adapter']['exact_rate']:.1f} %"
    assert shown in references.text
    assert "no count" in references.text
    assert "Adapter: expected calibration error" in references.text
    assert references.tags.count("figure") == len(result["worst"]) == 24
    assert references.tags.count("svg") == 2
    assert result["warnings"]
    for warning in result["warnings"]:
        assert warning[1:] in references.text


def test_the_page_is_there_in_chinese_with_the_same_figures(report: zipfile.ZipFile):
    english, chinese = References(), References()
    english.feed(report.read("evaluation.html").decode())
    chinese.feed(report.read("evaluation.zh-TW.html").decode())
    assert english.tags == chinese.tags
    assert english.fetched == chinese.fetched
    assert re.findall(r"[\d.]+ %", english.text) == re.findall(r"[\d.]+ %", chinese.text)
    result = json.loads(report.read("evaluation.json"))
    assert len(result["cautions"]) == len(result["warnings"]) > 0
    for one in result["cautions"]:
        said = Message(one["code"], **one["parameters"]).say(Language.CHINESE)
        assert f"{said}。" in chinese.text
    whole = [
        text for code, text in ENGLISH.items() if code.startswith("report_") and "{" not in text
    ]
    assert [text for text in whole if text in english.text and text in chinese.text] == []


def test_a_page_without_a_wrong_answer(tmp_path: Path):
    right = [compared(2, 3, 3, 3)]
    write_report(
        tmp_path / "r.zip", comparison(right, 1), right, about=ABOUT, open_picture=lambda _: b""
    )
    assert b"Nowhere" in zipfile.ZipFile(tmp_path / "r.zip").read("evaluation.html")
