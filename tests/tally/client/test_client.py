"""The client: what it sends, and how it says that something went wrong."""

import inspect
import re
import socket
from io import BytesIO
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tally.client import (
    Client,
    Fault,
    GatewayUnreachable,
    NothingListens,
    RequestRefused,
    TokenRefused,
)
from tally.client.route import Route
from tally.client.routes import Routes
from tests.fakes.gateway import FakeGateway
from tests.tally.client.conftest import AnyClient, answer

# The OpenAI API has clients of its own; the page and the documents are for browsers.
BESIDE = re.compile(r"GET /(ui|docs|openapi\.json)|\w+ /v1/")


async def test_uploads_name_bytes_and_settings(
    client: AnyClient, gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "data.zip").write_bytes(b"PK" * 100_000)
    with (tmp_path / "data.zip").open("rb") as file:
        given = {"encoding": "big5", "on_bad_rows": None}
        uploaded = await answer(client.upload(file, "data.zip", given))
    assert uploaded["file_id"] == "file-1"
    assert gateway.uploads == [("data.zip", b"PK" * 100_000)]
    assert gateway.forms == [{"encoding": "big5"}]


async def test_a_refusal_has_a_code_parameters_and_faults(
    client: AnyClient, gateway: FakeGateway
) -> None:
    about = {"code": "cell_empty", "parameters": {"column": "answer"}}
    problem = {"where": "main.csv row 3", "message": "answer is empty", **about}
    gateway.refusal = (422, {"detail": "2 rows are wrong", "errors": [problem], **about})
    with pytest.raises(RequestRefused) as caught:
        await answer(client.jobs())
    error = caught.value
    assert (error.status, error.code, error.parameters) == (422, *about.values())
    assert error.faults == (Fault(**problem),)
    assert str(error) == "2 rows are wrong\n  main.csv row 3: answer is empty"


async def test_a_refusal_is_said_once(client: AnyClient, gateway: FakeGateway) -> None:
    problem = {"where": "model", "message": "is unknown"}
    gateway.refusal = (422, {"detail": "model: is unknown", "errors": [problem]})
    with pytest.raises(RequestRefused, match=r"^model: is unknown$"):
        await answer(client.jobs())


async def test_a_refusal_in_chinese_is_said_once(client: AnyClient, gateway: FakeGateway) -> None:
    problem = {"where": "row 3", "code": "cell_empty", "message": "answer 是空的"}
    gateway.refusal = (422, {"detail": "第 3 列：answer 是空的", "errors": [problem]})
    with pytest.raises(RequestRefused, match=r"^第 3 列：answer 是空的$"):
        await answer(client.jobs())


async def test_an_id_is_one_part_of_a_path(client: AnyClient) -> None:
    with pytest.raises(RequestRefused) as caught:
        await answer(client.job("../files"))
    assert caught.value.status == 404


async def test_an_error_without_json_shows_its_status(
    client: AnyClient, gateway: FakeGateway
) -> None:
    gateway.refusal = (502, {})
    with pytest.raises(RequestRefused, match="answered 502 Bad Gateway") as caught:
        await answer(client.jobs())
    assert (caught.value.code, caught.value.faults) == ("", ())


async def test_what_is_no_json_comes_from_no_gateway(client: AnyClient) -> None:
    with pytest.raises(GatewayUnreachable, match="is not a Tally gateway"):
        await answer(client.about())


async def test_where_nothing_listens_is_said(kind: type[AnyClient]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    client = kind(url)
    with pytest.raises(NothingListens, match=f"No gateway answers at {url}"):
        await answer(client.jobs())
    await answer(client.close())


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", ""])
async def test_a_url_that_is_none_is_said_to_be_none(kind: type[AnyClient], url: str) -> None:
    client = kind(url)
    with pytest.raises(GatewayUnreachable, match="is not a URL"):
        await answer(client.jobs())
    await answer(client.close())


async def test_the_token_is_sent(kind: type[AnyClient], gateway: FakeGateway) -> None:
    gateway.token = "secret"
    for token, said in (("secret", ""), (None, "asks for a token"), ("x", "takes another token")):
        client = kind(gateway.url, token, language="zh-TW")
        if said:
            with pytest.raises(TokenRefused, match=said):
                await answer(client.jobs())
        else:
            assert await answer(client.jobs())
        await answer(client.close())
    assert set(gateway.languages) == {"zh-TW"}


def test_every_route_of_the_gateway_is_a_method() -> None:
    stated = [one for one in vars(Routes).values() if isinstance(one, Route)]
    asked = {f"{call.method} {call.route}" for call in map(_call_with_anything, stated)}
    asked |= {"GET /jobs/{job_id}/evaluation.html"}  # one method has both kinds of file
    asked |= {"GET /jobs/{job_id}/events", "GET /jobs/{job_id}/download"}  # `watch`, `download`
    endpoints = create_app(GatewaySettings(_cli_parse_args=[])).state.endpoints
    there = {route for route in endpoints if not BESIDE.match(route)}
    assert {one for one in asked if not BESIDE.match(one)} == there


def _call_with_anything(route: Route) -> object:
    parameters = inspect.signature(route.build).parameters.values()
    needed = [one for one in parameters if one.default is inspect.Parameter.empty]
    given = {"file": BytesIO(), "kind": "csv", "settings": {}}
    return route.build(*(given.get(one.name, one.name) for one in needed))


def test_every_method_says_what_it_does() -> None:
    with Client() as client:
        stated = [name for name, one in vars(Routes).items() if isinstance(one, Route)]
        assert len(stated) > 25
        assert all(getattr(client, name).__doc__ for name in stated)
