"""How commands reach the gateway, and what they say where they can't."""

import pytest
from typer.testing import CliRunner

from tally.cli.language import preferred_language
from tally.cli.main import app
from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_where_nothing_listens_it_says_how_to_start_a_gateway() -> None:
    ended = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", "jobs"])
    assert ended.exit_code == 1
    assert "No gateway answers at http://127.0.0.1:9; start one with `tally up`" in ended.stderr


def test_where_a_token_is_asked_for_it_says_how_to_give_one(
    tally: Tally, gateway: FakeGateway
) -> None:
    gateway.token = "secret"
    assert "asks for a token; give it with --token or TALLY_TOKEN" in tally("jobs").stderr
    assert "takes another token; give it with" in tally("--token", "x", "jobs").stderr
    assert tally("--token", "secret", "jobs").exit_code == 0


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_TW.UTF-8"}, "zh-TW"),
        ({"LANG": "de_DE", "LC_MESSAGES": "zh_Hant_TW"}, "zh-Hant-TW"),
        ({"LANG": "zh_TW", "LC_ALL": "en_US.UTF-8"}, "en-US"),
        ({"LC_ALL": "", "LANG": "ca_ES.UTF-8@valencia"}, "ca-ES"),
        ({"LC_ALL": "C", "LANG": "zh_TW"}, None),
        ({"LANG": "POSIX"}, None),
        ({"LANG": "zh\r\nX: y"}, None),
        ({}, None),
    ],
)
def test_the_locale_names_the_language(environment: dict[str, str], language: str | None) -> None:
    assert preferred_language(environment) == language


def test_a_command_asks_in_the_language_of_the_locale(
    tally: Tally, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_TW.UTF-8")
    tally("jobs")
    assert gateway.languages[-1] == "zh-TW"
