"""`tally jobs` and `edit`: what is asked for, and what is changed."""

import json

from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_jobs_are_chosen(tally: Tally, gateway: FakeGateway) -> None:
    options = ("--status", "failed", "--tag", "red", "--model", "small", "--limit", 5)
    assert tally("jobs", "apples", *options, "--offset", 10).exit_code == 0
    assert gateway.listed == [
        {
            "limit": "5", "offset": "10", "status": "failed", "tag": "red", "q": "apples",
            "model": "small",
        }
    ]  # fmt: skip
    assert tally("jobs").stdout.splitlines()[1].endswith("\tred")
    assert gateway.listed[-1] == {}
    assert tally("jobs", "--status", "lost").exit_code == 2


def test_a_job_is_named_tagged_and_annotated(tally: Tally, gateway: FakeGateway) -> None:
    ended = tally("edit", "job-1", "--name", "best", "--tag", "big", "--untag", "RED")
    assert ended.stdout == "best: big\n"
    assert gateway.changes[-1] == {"job_name": "best", "tags": ["big"]}
    changed = json.loads(tally("edit", "apples", "--notes", "", "--json").stdout)
    assert (changed["notes"], gateway.changes[-1]) == ("", {"notes": ""})
