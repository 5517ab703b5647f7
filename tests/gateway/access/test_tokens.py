"""Tokens: made and revoked beside a running gateway, known by their digest, never told."""

import asyncio
import logging

import pytest

from gateway import tokens
from gateway.access.access import Access
from gateway.access.callers import Caller, Role
from gateway.access.token_store import TokenStore
from gateway.database import open_database
from gateway.settings import GatewaySettings
from tests.waiting import eventually


def run(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    tokens.main(arguments)
    return capsys.readouterr().out


@pytest.fixture
def of_the_gateway(gateway, monkeypatch):
    """The environment in which the command finds the gateway's database."""
    monkeypatch.setenv("TALLY_GATEWAY_DATA_DIR", str(gateway.settings.data_dir))
    return gateway


async def status(gateway, token: str, path: str = "/jobs") -> int:
    headers = {"Authorization": f"Bearer {token or 0}"}
    return (await gateway.client.get(path, headers=headers)).status_code


async def answers(gateway, token: str, wanted: int) -> bool:
    return await status(gateway, token) == wanted


async def test_a_token_is_good_from_its_making_until_it_is_revoked(of_the_gateway, capsys):
    gateway = of_the_gateway
    assert (await gateway.client.get("/jobs")).status_code == 200
    token = (await asyncio.to_thread(run, capsys, "create", "alice")).strip()
    await eventually(lambda: answers(gateway, token, 200))
    await eventually(lambda: answers(gateway, "", 401))
    await asyncio.to_thread(run, capsys, "revoke", "alice")
    await eventually(lambda: answers(gateway, token, 401))
    assert (await gateway.client.get("/jobs")).status_code == 401


async def test_an_open_event_stream_ends_with_its_token(of_the_gateway, learner, capsys):
    gateway = of_the_gateway
    learner.hold.clear()
    gateway.client.headers.update(await gateway.new_token("alice", "writer"))
    job_id = await gateway.start_job()
    async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as stream:
        await asyncio.to_thread(run, capsys, "revoke", "alice")
        await eventually(lambda: answers(gateway, gateway.client.headers["Authorization"][7:], 401))
        learner.hold.set()
        text = "".join([part async for part in stream.aiter_text()])
    assert "event: ended" not in text


async def test_the_list_tells_names_and_no_token(of_the_gateway, capsys):
    made = [
        (await asyncio.to_thread(run, capsys, "create", *words)).strip()
        for words in (["alice"], ["alice-ci", "--role", "reader", "--owner", "alice"])
    ]
    listed = await asyncio.to_thread(run, capsys, "list")
    rows = [line.split("\t")[:3] for line in listed.splitlines()[1:]]
    assert rows == [["alice", "alice", "writer"], ["alice-ci", "alice", "reader"]]
    stored = (of_the_gateway.settings.data_dir / "gateway.sqlite3").read_bytes()
    for token in made:
        assert len(token) >= 40
        assert token not in listed
        assert token.encode() not in stored


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "alice"], "is that of an earlier token"),
        (["create", "bob", "--owner", "a b"], "owner: is 1 to 64 letters"),
        (["create", "\x1b[31m"], "name: is 1 to 64 letters"),
        (["revoke", "carol"], "there is no such token"),
    ],
)
async def test_what_cannot_be_done_is_said(of_the_gateway, capsys, words, says):
    await of_the_gateway.new_token("alice", "writer")
    with pytest.raises(SystemExit, match=says):
        await asyncio.to_thread(run, capsys, *words)


async def test_tokens_known_last_are_good_while_the_database_is_away(on_database):
    on_database.data_dir.mkdir(parents=True)
    database = open_database(on_database)
    database.migrate()
    store = TokenStore(database)
    access = Access(store, None, 1.0)
    assert not access.is_required
    token = store.create("laptop", "alice", Role.READER)
    await access.load()
    assert access.find(token) == Caller("laptop", "alice", Role.READER)
    assert access.find(token[:-1]) is None
    store.revoke("laptop")
    await access.load()
    assert access.find(token) is None
    assert access.is_required
    database.close()


async def test_wrong_tokens_are_logged_without_themselves_and_limited(gateway, caplog):
    good = await gateway.new_token("alice", "writer")
    most = gateway.settings.max_failed_attempts
    with caplog.at_level(logging.WARNING):
        tried = [await status(gateway, f"guess-{n}", "/jobs/%1b[31m") for n in range(most + 3)]
    assert tried == [401] * most + [429] * 3
    refused = await gateway.client.get("/jobs", headers={"Authorization": "Bearer guess"})
    assert 0 < int(refused.headers["Retry-After"]) <= gateway.settings.failed_attempt_seconds
    assert caplog.text.count("a wrong token from 127.0.0.1 for 'GET /jobs/\\x1b[31m'") == most
    assert "guess" not in caplog.text
    assert (await gateway.client.get("/jobs", headers=good)).status_code == 200


@pytest.mark.parametrize(("trusted", "held_up"), [([], True), (["127.0.0.0/8"], False)])
async def test_only_a_trusted_proxy_says_whom_it_speaks_for(
    start_gateway, settings, trusted, held_up
):
    async with start_gateway(settings.model_copy(update={"trusted_proxies": trusted})) as gateway:
        await gateway.new_token("alice", "writer")
        wrong = {"Authorization": "Bearer guess"}
        for sender in ("192.0.2.1", "192.0.2.2"):
            headers = wrong | {"X-Forwarded-For": sender}
            asked = range(gateway.settings.max_failed_attempts)
            answers = [await gateway.client.get("/jobs", headers=headers) for _ in asked]
        assert (answers[-1].status_code == 429) == held_up


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Basic YTpi", "bearer\ttoken", "tally_x", "Bearer \xff"]
)
async def test_what_is_no_token_lets_nobody_in(gateway, given):
    await gateway.new_token("alice", "writer")
    headers = {"Authorization": given.encode("latin-1")}
    assert (await gateway.client.get("/jobs", headers=headers)).status_code == 401


async def test_two_tokens_at_once_let_nobody_in(gateway):
    good = await gateway.new_token("alice", "writer")
    headers = [*good.items(), ("Authorization", "Bearer other")]
    assert (await gateway.client.get("/jobs", headers=headers)).status_code == 401


def test_an_empty_token_of_the_operator_is_refused(capsys):
    with pytest.raises(SystemExit):
        GatewaySettings.read(["--token", ""])
    assert "token" in capsys.readouterr().err
