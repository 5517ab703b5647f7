"""What a stranger named, asked or answered, at the command line's every way out."""

import unicodedata

import pytest

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally

EVIL = "\x1b[2J\x9b31m[red]\u202egnp\u2069\x07"


def is_text(printed: str) -> bool:
    marks = printed.replace("\n", "").replace("\t", "")
    return not any(unicodedata.category(mark)[0] == "C" for mark in marks)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize("command", [("jobs",), ("job", "job-1"), ("watch", "job-1"), ("files",)])
def test_nothing_but_text_is_printed(
    tally: Tally, gateway: FakeGateway, command: tuple[str, ...], as_json: tuple[str, ...]
) -> None:
    gateway.job |= {"job_name": EVIL, "error_message": EVIL}
    gateway.events = [("notice", {"message": EVIL}), *gateway.events]
    ended = tally(*command, *as_json)
    assert ended.exit_code == 0, ended.stderr
    assert is_text(ended.stdout)
    assert is_text(ended.stderr)


def test_an_error_of_the_gateway_is_text(tally: Tally, gateway: FakeGateway) -> None:
    gateway.events = [("ended", {"status": "failed", "error_message": EVIL})]
    ended = tally("watch", "job-1")
    assert ended.exit_code == 1
    assert is_text(ended.stderr)
    assert "[red]" in ended.stderr
