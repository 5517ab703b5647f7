"""A gateway under test: real HTTP, a real reward service, a fake learner, a real database."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from gateway.access.callers import Role
from gateway.access.token_store import TokenStore
from gateway.app import create_app
from gateway.database import open_database
from gateway.http.server import GatewayServer
from gateway.settings import GatewaySettings
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.reward.v1 import reward_pb2_grpc
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tests.fakes.learner import FakeLearner
from tests.gateway.packing import good_zip
from tests.waiting import eventually


class InProcessServer(GatewayServer):
    """Leaves the test runner's signal handlers alone."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


class Gateway:
    """A running gateway: its client, its settings, its services."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self._server = InProcessServer(self.app, settings)
        self._task: asyncio.Task[None] | None = None
        self.client: httpx.AsyncClient

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def services(self):
        return self.app.state.services

    async def start(self) -> None:
        self._task = asyncio.create_task(self._serve())
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.01)
        base_url = f"http://127.0.0.1:{self.port}"
        # To read the authorities' certificates takes longer than a test.
        self.client = httpx.AsyncClient(base_url=base_url, timeout=30, verify=False)

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as error:
            # Which asyncio lets through to pytest, whose later tests would find nothing torn down.
            raise AssertionError("the gateway did not start") from error

    async def stop(self) -> None:
        await self.client.aclose()
        self._server.should_exit = True
        await self._task

    async def upload(self, data: bytes, **fields: str) -> httpx.Response:
        files = {"file": ("training_data.zip", data, "application/zip")}
        return await self.client.post("/upload-data", files=files, data=fields)

    async def train(self, file_id: str, **body) -> httpx.Response:
        headers = body.pop("headers", None)
        body = {"job_name": "apples", "data_file_id": file_id, **body}
        return await self.client.post("/train", json=body, headers=headers)

    async def start_job(self, **body) -> str:
        """A job on a good upload; → its id."""
        file_id = (await self.upload(good_zip())).json()["file_id"]
        response = await self.train(file_id, **body)
        assert response.status_code == 200, response.text
        return response.json()["job_id"]

    async def job(self, job_id: str) -> dict:
        return (await self.client.get(f"/jobs/{job_id}")).json()

    async def until(self, job_id: str, status: str, **fields) -> dict:
        wanted = {"status": status, **fields}

        async def has_come() -> bool:
            return wanted.items() <= (await self.job(job_id)).items()

        await eventually(has_come)
        return await self.job(job_id)

    async def new_token(self, name: str, role: str, owner: str | None = None) -> dict[str, str]:
        """The headers of who shows a new token; without `owner` it is the owner's own name."""
        store = TokenStore(self.services.database)
        token = await asyncio.to_thread(store.create, name, owner or name, Role(role))
        await self.services.access.load()
        return {"Authorization": f"Bearer {token}"}

    def staged(self) -> list[Path]:
        return list((self.settings.data_dir / "staging").iterdir())


@pytest.fixture
async def learner() -> AsyncIterator[FakeLearner]:
    fake = FakeLearner()
    await fake.start()
    yield fake
    await fake.close()


@asynccontextmanager
async def running_reward() -> AsyncIterator[int]:
    """A reward service; → its port."""
    server = RpcServer(
        ServerSettings(),
        service_names=[SERVICE_NAME],
        register=lambda server: reward_pb2_grpc.add_RewardServiceServicer_to_server(
            RewardServicer(), server
        ),
    )
    await server.start()
    await server.set_serving(True)
    yield server.port
    await server.stop(0)


@pytest.fixture
async def reward_port() -> AsyncIterator[int]:
    async with running_reward() as port:
        yield port


def client_of(port: int) -> ClientSettings:
    return ClientSettings(target=f"127.0.0.1:{port}", timeout_seconds=10, max_attempts=2)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A gateway's SQLite file with every table: to make one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty")
    with closing(open_database(GatewaySettings(data_dir=folder))) as database:
        database.migrate()
    [file] = folder.iterdir()
    return file


@pytest.fixture
def settings(tmp_path, learner, reward_port) -> GatewaySettings:
    return GatewaySettings(
        port=0,
        data_dir=tmp_path / "data",
        learner=client_of(learner.port),
        reward=client_of(reward_port),
        retry_seconds=0.05,
        max_retry_seconds=0.2,
        submit_wait_seconds=1,
        poll_seconds=0.1,
        drain_seconds=2,
        failed_attempt_seconds=3600,
    )


@asynccontextmanager
async def running(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


@pytest.fixture
def start_gateway():
    """Starts a gateway of other settings: `async with start_gateway(settings) as gateway`."""
    return running


@pytest.fixture
async def gateway(settings, empty_database) -> AsyncIterator[Gateway]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_database, settings.data_dir)
    async with running(settings) as gateway:
        yield gateway


@pytest.fixture(params=["sqlite", "postgresql"])
def on_database(request, settings):
    """The settings with SQLite, then with PostgreSQL."""
    if request.param == "sqlite":
        return settings
    url = request.getfixturevalue("postgres").create()
    return settings.model_copy(update={"database_url": url})
