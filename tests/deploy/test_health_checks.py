"""The images' health checks, against servers that are well, starting, strange or gone."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tally.cli.stack.ports import free_port
from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings, TlsSettings
from tests.deploy.images import ROOT, image
from tests.tally.rpc.test_server import tls


async def check(service: str, **environment: str) -> tuple[int, str]:
    """The exit code of an image's health check in `environment`, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *image(service).health_check[1:],
        env=_own_environment() | environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), timeout=60)
    return process.returncode, said.decode()


def _own_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLY")}
    return kept | {"PYTHONPATH": str(ROOT)}


@asynccontextmanager
async def running(tls: TlsSettings | None = None) -> AsyncIterator[RpcServer]:
    settings = ServerSettings(host="0.0.0.0", tls=tls or TlsSettings())
    server = RpcServer(settings, service_names=[], register=lambda _: None)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


async def test_grpc_health_goes_by_what_the_service_says():
    async with running() as server:
        port = {"TALLY_REWARD_SERVER__HOST": "0.0.0.0"}
        port |= {"TALLY_REWARD_SERVER__PORT": str(server.port)}
        assert await check("reward", **port) == (1, "NOT_SERVING\n")
        await server.set_serving(True)
        assert await check("reward", **port) == (0, "")
    code, said = await check("reward", **port)
    assert code == 1
    assert said.startswith("UNAVAILABLE")


async def test_grpc_health_shows_the_services_own_certificate(certificates: Path):
    ours = tls(certificates, "ours", "ours")
    async with running(ours) as server:
        await server.set_serving(True)
        prefix = "TALLY_LEARNER_SERVER__"
        port = {f"{prefix}PORT": str(server.port)}
        files = {f"{prefix}TLS__{k.upper()}": str(v) for k, v in ours.model_dump().items()}
        assert await check("learner", **port, **files) == (0, "")
        assert (await check("learner", **port))[0] == 1


async def test_grpc_health_needs_a_port():
    code, said = await check("rollout")
    assert code == 2
    assert "TALLY_ROLLOUT_SERVER__PORT" in said


async def test_the_gateways_health_shows_its_token(tmp_path: Path):
    environment = {"TALLY_GATEWAY_PORT": str(free_port()), "TALLY_GATEWAY_TOKEN": "s3cret"}
    gateway = await asyncio.create_subprocess_exec(
        sys.executable,
        *image("gateway").entrypoint[1:],
        env=_own_environment() | environment | {"TALLY_GATEWAY_DATA_DIR": str(tmp_path)},
    )
    try:
        async with asyncio.timeout(60):
            while (await check("gateway", **environment))[0]:
                pass
        code, said = await check("gateway", **environment | {"TALLY_GATEWAY_TOKEN": "another"})
        assert code == 1
        assert "401" in said
        assert await check("gateway", TALLY_GATEWAY_PORT=environment["TALLY_GATEWAY_PORT"]) == (
            0,
            "",
        )
    finally:
        gateway.terminate()
        await gateway.wait()
    code, said = await check("gateway", **environment)
    assert code == 1
    assert "refused" in said
