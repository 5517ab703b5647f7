"""A fake gateway, and the command line pointed at it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tally.cli.main import app
from tally.client import events
from tests.fakes.gateway import FakeGateway, running_gateway

Tally = Callable[..., Result]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with running_gateway(FakeGateway()) as fake:
        yield fake


@pytest.fixture
def tally(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """Runs `tally --url FAKE …`."""
    monkeypatch.setattr(events, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("TALLY_URL", gateway.url)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def data_zip(tmp_path: Path) -> Path:
    path = tmp_path / "apples.zip"
    path.write_bytes(b"PK data")
    return path
