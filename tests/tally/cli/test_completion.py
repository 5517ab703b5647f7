"""What the shell is offered after Tab."""

import pytest
from typer.testing import CliRunner

from tally.cli.main import app
from tests.fakes.gateway import FakeGateway


def offered(*words: str, url: str = "http://127.0.0.1:9") -> list[str]:
    """What bash gets for `tally WORDS`, the last of them not yet whole."""
    environment = {
        "_TALLY_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["tally", *words]),
        "COMP_CWORD": str(len(words)),
        "TALLY_URL": url,
    }
    return CliRunner().invoke(app, [], prog_name="tally", env=environment).stdout.split()


def test_commands_are_offered() -> None:
    assert offered("comp") == ["compare", "comparisons", "comparison"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("watch", "jo"), ["job-1"]),
        (("rows", ""), ["file-1", "weights-1"]),
        (("compare", "job-1", "--data", "f"), ["file-1"]),
        (("comparison", ""), ["eval-1"]),
        (("train", "--preset", ""), ["quick", "balanced"]),
        (("delete", ""), ["file", "job", "comparison", "prediction"]),
        (("delete", "comparison", ""), ["eval-1"]),
        (("train", "--set", "lora_config.r"), ["lora_config.r="]),
    ],
)
def test_what_the_gateway_has_is_offered(
    gateway: FakeGateway, words: tuple[str, ...], expected: list[str]
) -> None:
    assert offered(*words, url=gateway.url) == expected


def test_no_gateway_offers_nothing() -> None:
    assert offered("watch", "jo") == []
