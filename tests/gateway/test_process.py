"""`python -m gateway`: flags, environment, SIGTERM, kill -9 in the middle of an upload."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import GatewaySettings
from tally.rpc.settings import ClientSettings
from tests.gateway.packing import good_zip
from tests.gateway.raw_http import form
from tests.waiting import PATIENCE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
WITH_FEW_FILES = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@contextlib.asynccontextmanager
async def process(
    data_dir: Path,
    settings: GatewaySettings,
    *others: str,
    before: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[tuple]:
    """A gateway process, which the program `before` becomes, and the address it listens on."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TALLY_GATEWAY_LEARNER__TARGET": settings.learner.target,
        "TALLY_GATEWAY_REWARD__TARGET": settings.reward.target,
    }
    flags = ["-m", "gateway", "--port", "0", "--data-dir", str(data_dir), *others]
    running = await asyncio.create_subprocess_exec(
        sys.executable, *before, *flags, env=environment, stderr=asyncio.subprocess.PIPE, **options
    )
    try:
        async with asyncio.timeout(60):
            while not (found := re.search(rb"listening on (.*):(\d+)", await next_line(running))):
                pass
        yield running, int(found[2])
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def next_line(running) -> bytes:
    line = await running.stderr.readline()
    assert line, "the gateway ended"
    return line


async def test_sigterm_ends_open_streams_and_exits_with_0(tmp_path, settings, learner):
    learner.hold.clear()
    async with process(tmp_path / "data", settings) as (running, port):
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS
        ) as client:
            uploaded = await client.post("/upload-data", files={"file": ("a.zip", good_zip())})
            body = {"job_name": "a", "data_file_id": uploaded.json()["file_id"]}
            job_id = (await client.post("/train", json=body)).json()["job_id"]
            async with client.stream("GET", f"/jobs/{job_id}/events") as stream:
                running.send_signal(signal.SIGTERM)
                async for _ in stream.aiter_text():
                    pass
        assert await asyncio.wait_for(running.wait(), PATIENCE_SECONDS) == 0


async def test_an_upload_that_outlasts_the_drain_is_told_to_come_again(tmp_path, settings):
    data_dir = tmp_path / "data"
    async with process(data_dir, settings, "--drain-seconds", "1") as (running, port):
        head, body = form(good_zip())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body[: len(body) // 2])
        await writer.drain()
        await eventually(lambda: list((data_dir / "staging").glob("*/upload")))
        running.send_signal(signal.SIGTERM)
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()
        assert await asyncio.wait_for(running.wait(), PATIENCE_SECONDS) == 0
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: " in answer.lower()
    assert b"this server is stopping; send it again" in answer
    assert list((data_dir / "staging").iterdir()) == []


async def test_kill_in_the_middle_of_an_upload_leaves_nothing(tmp_path, settings):
    data_dir = tmp_path / "data"
    async with process(data_dir, settings) as (running, port):
        head, body = form(good_zip())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body[: len(body) // 2])
        await writer.drain()
        await eventually(lambda: list((data_dir / "staging").glob("*/upload")))
        running.kill()
        await running.wait()
        writer.close()
    (data_dir / "datasets" / f"{'0' * 64}.zip").write_bytes(b"renamed, never committed")
    async with process(data_dir, settings) as (_, port):
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS
        ) as client:
            assert (await client.get("/files")).json() == []
        assert list((data_dir / "staging").iterdir()) == []
        assert list((data_dir / "datasets").iterdir()) == []


async def test_it_may_have_as_many_files_open_as_connections(tmp_path, settings):
    async with process(tmp_path / "data", settings, before=("-c", WITH_FEW_FILES)) as (running, _):
        most, _ = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
        assert most > settings.max_connections


async def test_kill_after_the_rename_and_before_the_commit_leaves_nothing(tmp_path, settings):
    data_dir = tmp_path / "data"
    async with process(data_dir, settings) as (running, port):
        # The commit waits for this one; by then the files lie where they are to stay.
        locker = sqlite3.connect(data_dir / "gateway.sqlite3", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        head, body = form(good_zip())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        await writer.drain()
        await eventually(lambda: list((data_dir / "rows").iterdir()))
        running.kill()
        await running.wait()
        writer.close()
        locker.execute("ROLLBACK")
        locker.close()
    assert len(list((data_dir / "datasets").iterdir())) == 1
    async with process(data_dir, settings) as (_, port):
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS
        ) as client:
            assert (await client.get("/files")).json() == []
        for folder in ("staging", "datasets", "rows"):
            assert list((data_dir / folder).iterdir()) == []


async def run(module: str, *flags: str, **environment: str) -> tuple[int, str]:
    """The exit code of a module that ends by itself, and what it says."""
    running = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", module, *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(running.communicate(), PATIENCE_SECONDS)
    return running.returncode, said.decode()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "tally.example.org"])
async def test_off_loopback_it_does_not_start_without_a_token(tmp_path, host):
    folder = str(tmp_path / "data")
    code, said = await run("gateway", "--host", host, "--port", "0", "--data-dir", folder)
    assert code == 2
    assert f"host {host} is reached from other machines: make a token with" in said
    assert "Traceback" not in said


async def test_off_loopback_it_starts_with_a_token_or_where_it_is_told_to(tmp_path, settings):
    everywhere = ("--host", "0.0.0.0")
    async with process(tmp_path / "open", settings, *everywhere, "--open-to-anyone", "true"):
        pass
    named = {"TALLY_GATEWAY_DATA_DIR": str(tmp_path / "named")}
    code, token = await run("gateway.tokens", "create", "alice", **named)
    assert code == 0
    async with process(tmp_path / "named", settings, *everywhere) as (_, port):
        headers = {"Authorization": f"Bearer {token.strip()}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/jobs")).status_code == 401
            assert (await client.get("/jobs", headers=headers)).status_code == 200


async def test_a_database_of_a_later_release_is_refused_in_a_sentence(tmp_path):
    with closing(sqlite3.connect(tmp_path / "gateway.sqlite3")) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
    code, said = await run("gateway", "--port", "0", "--data-dir", str(tmp_path))
    assert code == 1
    assert "start the release that wrote it" in said
    assert "Traceback" not in said


async def test_a_database_that_is_away_ends_the_start_with_a_sentence(tmp_path):
    nobody = "postgresql://nobody:hidden@127.0.0.1:1/none"
    flags = ("--port", "0", "--data-dir", str(tmp_path), "--database-url", nobody)
    code, said = await run("gateway", *flags)
    assert code == 1
    assert "the database is busy or away (OperationalError); try again" in said
    assert "Traceback" not in said
    assert "hidden" not in said


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TALLY_GATEWAY_REWARD__TIMEOUT_SECONDS", "3")
    monkeypatch.setenv("TALLY_GATEWAY_MAX_ROWS", "7")
    settings = GatewaySettings()
    assert settings.reward == ClientSettings(target="127.0.0.1:50051", timeout_seconds=3)
    assert settings.max_rows == 7


def test_every_setting_is_described():
    assert all(field.description for field in GatewaySettings.model_fields.values())
