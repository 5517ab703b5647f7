"""`tally delete`: what it asks, and what it sends."""

import json

import pytest
from typer.testing import CliRunner

from tally.cli.main import app
from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally

THINGS = [
    ("file", "file-1"), ("job", "job-1"), ("comparison", "eval-1"), ("prediction", "pred-1"),
]  # fmt: skip
QUESTIONS = [
    ("a.zip, 9 rows,", *THINGS[0]),
    ("weights.zip, an adapter,", "file", "weights-1"),
    ("apples, completed, with its adapter and all that it logged,", *THINGS[1]),
    ("The comparison, completed, with its report,", *THINGS[2]),
    ("The prediction, completed, with its answers,", *THINGS[3]),
]


@pytest.mark.parametrize(("kind", "identifier"), THINGS)
def test_it_deletes_without_a_question_where_it_is_told_to(
    tally: Tally, gateway: FakeGateway, kind: str, identifier: str
) -> None:
    ended = tally("delete", kind, identifier, "--yes")
    assert (ended.exit_code, ended.stdout) == (0, f"Deleted the {kind} {identifier}.\n")
    assert (gateway.deleted, gateway.cancelled) == ([identifier], [])


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("answer", "deletes"), [("y\n", True), ("n\n", False), ("", False)])
@pytest.mark.usefixtures("tally")
def test_it_asks_first(
    gateway: FakeGateway, question: tuple[str, str, str], answer: str, deletes: bool
) -> None:
    what, kind, identifier = question
    ended = CliRunner().invoke(app, ["delete", kind, identifier], input=answer)
    assert f"{what} is deleted for good." in ended.stderr
    assert gateway.deleted == ([identifier] if deletes else [])
    assert ended.exit_code == (0 if deletes else 1)
    assert ("Nothing was deleted; --yes deletes without asking." in ended.stderr) != deletes


def test_json_alone_is_on_standard_output(tally: Tally) -> None:
    assert json.loads(tally("delete", "file", "file-1", "--yes", "--json").stdout) == {
        "file_id": "file-1"
    }


def test_what_is_not_there_or_in_use_is_said(tally: Tally, gateway: FakeGateway) -> None:
    ended = tally("delete", "file", "file-9")
    assert ended.exit_code == 1
    assert "There is no file file-9; `tally files` lists those there are." in ended.stderr
    gateway.refusal = 409, {"detail": "job_id: it has not ended; cancel it first", "errors": []}
    ended = tally("delete", "job", "job-1", "--yes")
    assert "Error: job_id: it has not ended; cancel it first" in ended.stderr
