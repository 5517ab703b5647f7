"""The REST client: what it sends, and how it says that something went wrong."""

import socket
from pathlib import Path

import pytest

from tally.cli.client.api_client import ApiClient, flat_step, upload_path
from tally.cli.errors import GatewayUnreachable, RequestRefused
from tally.cli.language import preferred_language
from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def test_uploads_name_and_bytes(client: ApiClient, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(b"PK" * 100_000)
    answer = upload_path(client, tmp_path / "data.zip")
    assert answer["file_id"] == "file-1"
    assert gateway.uploads == [("data.zip", b"PK" * 100_000)]


def test_a_refusal_shows_detail_and_errors(client: ApiClient, gateway: FakeGateway) -> None:
    problem = {"where": "main.csv row 3", "message": "answer holds no number"}
    gateway.refusal = (422, {"detail": "2 rows are wrong", "errors": [problem]})
    with pytest.raises(RequestRefused) as caught:
        client.jobs()
    assert caught.value.status == 422
    assert str(caught.value) == "2 rows are wrong\n  main.csv row 3: answer holds no number"


def test_a_refusal_is_said_once(client: ApiClient, gateway: FakeGateway) -> None:
    problem = {"where": "model", "message": "is unknown"}
    gateway.refusal = (422, {"detail": "model: is unknown", "errors": [problem]})
    with pytest.raises(RequestRefused, match=r"^model: is unknown$"):
        client.jobs()


def test_an_id_is_one_part_of_a_path(client: ApiClient) -> None:
    with pytest.raises(RequestRefused) as caught:
        client.job("../files")
    assert caught.value.status == 404


def test_an_error_without_json_shows_its_status(client: ApiClient, gateway: FakeGateway) -> None:
    gateway.refusal = (502, {})
    with pytest.raises(RequestRefused, match="answered 502 Bad Gateway"):
        client.jobs()


def test_no_gateway_says_how_to_start_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with (
        ApiClient(url) as client,
        pytest.raises(GatewayUnreachable, match=f"No gateway answers at {url}; start one"),
    ):
        client.jobs()


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", ""])
def test_a_url_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(GatewayUnreachable, match="is not a URL"), ApiClient(url) as client:
        client.jobs()


def test_the_token_is_sent(gateway: FakeGateway) -> None:
    gateway.token = "secret"
    with ApiClient(gateway.url, "secret") as client:
        assert client.jobs()
    with ApiClient(gateway.url) as client, pytest.raises(RequestRefused, match="asks for a token"):
        client.jobs()


def test_metrics_may_be_nested_or_flat() -> None:
    flat = {"step": 3, "loss": 0.5}
    assert flat_step(flat) == flat_step({"step": 3, "metrics": {"loss": 0.5}}) == flat


def test_a_refusal_in_chinese_is_said_once(client: ApiClient, gateway: FakeGateway) -> None:
    problem = {"where": "row 3", "code": "cell_empty", "message": "answer 是空的"}
    gateway.refusal = (422, {"detail": "第 3 列：answer 是空的", "errors": [problem]})
    with pytest.raises(RequestRefused, match=r"^第 3 列：answer 是空的$"):
        client.jobs()


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
