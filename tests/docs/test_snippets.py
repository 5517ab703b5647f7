"""Every snippet of the documents runs as it stands, or says why not."""

import csv
import io
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.reader import Reader
from tests.docs.snippets import ROOT, Snippet, documents, snippets_of
from tests.stack import running_stack

_ALL = [snippet for document in documents() for snippet in snippets_of(document)]
_COMMANDS = ("bash", "console", "python", "sh")
_DATA = ("csv", "json", "toml", "yaml")
_BESIDE_A_CPU_TORCH = "from tally import torch_compat; torch_compat.install()\n"
_COLUMNS = {"images_path", "question", "answer"}


def _without_comments(text: str) -> str:
    return re.sub(r"\s+#.*$", "", text, flags=re.MULTILINE)


def _each_once(snippets: list[Snippet]) -> list[Snippet]:
    """A translation has the commands of what it translates."""
    found = {_without_comments(one.text): one for one in reversed(snippets)}
    return [one for one in snippets if one in found.values()]


_RUN = _each_once([one for one in _ALL if one.language in _COMMANDS and one.is_run_here])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with running_stack(tmp_path_factory.mktemp("stack"), "--no-use-4bit") as stack:
        reader = Reader(stack, tmp_path_factory.mktemp("reader"))
        reader.gather()
        yield reader


@pytest.mark.parametrize("snippet", _RUN, ids=str)
def test_a_snippet_runs(snippet: Snippet, reader: Reader):
    printed = reader.run(
        _command(snippet, reader.here(snippet.text)), is_refused=_ends_in_an_error(snippet)
    )
    if snippet.language == "console":
        errors = re.findall("^Error: .+$", snippet.text, re.MULTILINE)
        assert [error for error in errors if error not in printed] == [], printed
    answer = _answer_after(snippet)
    if answer and printed.lstrip().startswith(("{", "[")):
        assert list(_lacking(json.loads(answer.text), _last_json(printed), str(answer))) == []


def _command(snippet: Snippet, text: str) -> list[str]:
    if snippet.language == "python":
        return [sys.executable, "-c", f"{_BESIDE_A_CPU_TORCH}{text}"]
    if snippet.language == "console":
        text = "\n".join(_typed(text))
    return ["bash", "-eu", "-o", "pipefail", "-c", text]


def _typed(text: str) -> Iterator[str]:
    """What follows a prompt, over as many lines as end with a backslash."""
    goes_on = False
    for line in text.splitlines():
        if goes_on or line.startswith("$ "):
            yield line.removeprefix("$ ")
            goes_on = line.endswith("\\")


def _ends_in_an_error(snippet: Snippet) -> bool:
    shown = snippet.language == "console" and re.search("^Error: ", snippet.text, re.MULTILINE)
    return snippet.mark == "refused" or bool(shown)


def _answer_after(snippet: Snippet) -> Snippet | None:
    """The JSON that stands right after it, as what it prints."""
    following = [one for one in _ALL if one.document == snippet.document]
    after = following[following.index(snippet) + 1 :]
    between = snippet.line + snippet.text.count("\n") + 4
    return after[0] if after and after[0].language == "json" and after[0].line <= between else None


def _last_json(text: str) -> Any:
    decoder, position, value = json.JSONDecoder(), 0, None
    while position < len(text.rstrip()):
        value, position = decoder.raw_decode(text, position)
        position += len(text[position:]) - len(text[position:].lstrip())
    return value


def _lacking(documented: Any, real: Any, place: str) -> Iterator[str]:
    """Fields that a document shows and that the answer hasn't; `…` stands for more of them."""
    if isinstance(documented, dict) and isinstance(real, dict):
        for name in documented.keys() - {"…"}:
            if name not in real:
                yield f"{place}: {name}"
            else:
                yield from _lacking(documented[name], real[name], f"{place}.{name}")
    elif isinstance(documented, list) and isinstance(real, list) and documented and real:
        yield from _lacking(documented[0], real[0], f"{place}[0]")


@pytest.mark.parametrize("snippet", [one for one in _ALL if one.language in _DATA], ids=str)
def test_data_is_what_it_says(snippet: Snippet):
    match snippet.language:
        case "json":
            json.loads(snippet.text)
        case "toml":
            assert tomllib.loads(snippet.text)
        case "yaml":
            assert yaml.safe_load(snippet.text)
        case "csv":
            assert all(set(row) == _COLUMNS for row in csv.DictReader(io.StringIO(snippet.text)))


def test_every_snippet_says_what_it_is():
    known = {*_COMMANDS, *_DATA, "text"}
    assert [str(one) for one in _ALL if one.language not in known] == []


def test_what_runs_a_snippet_names_its_document():
    for snippet in _ALL:
        if snippet.mark.startswith("run by "):
            runner = (ROOT / snippet.mark.removeprefix("run by ")).read_text()
            assert snippet.document.name in runner, snippet


@pytest.mark.parametrize(
    ("documented", "real", "lacking"),
    [
        ({"a": 1, "…": 0}, {"a": 2, "b": 3}, []),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, ["x.a: b"]),
        ([{"a": 1}], [{"b": 1}], ["x[0]: a"]),
        ({"a": None}, {"a": {"b": 1}}, []),
    ],
)
def test_what_an_answer_lacks_is_found(documented: Any, real: Any, lacking: list[str]):
    assert list(_lacking(documented, real, "x")) == lacking


def test_marks_are_read(tmp_path: Path):
    document = tmp_path / "page.md"
    document.write_text("<!-- not run: why -->\n```bash\na\n```\n\n  ```json\n  {}\n  ```\n")
    first, second = snippets_of(document)
    assert (first.mark, first.is_run_here, first.text) == ("not run: why", False, "a\n")
    assert (second.mark, second.language, second.text) == ("", "json", "{}\n")
