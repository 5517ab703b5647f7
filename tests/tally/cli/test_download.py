"""Downloads: whole or not at all, and taken up where they ended."""

from pathlib import Path

import pytest

from tally.cli.client.api_client import ApiClient
from tally.cli.client.download import download
from tally.cli.errors import CliError, GatewayUnreachable
from tests.fakes.gateway import RESULT, FakeGateway


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adapter.zip"


def _partial(path: Path, content: bytes) -> Path:
    partial = path.with_name("adapter.zip.job-1.part")
    partial.write_bytes(content)
    return partial


def test_a_broken_download_is_taken_up(client: ApiClient, gateway: FakeGateway, path: Path) -> None:
    gateway.drop_download_after_bytes = [10_000, 20_000]
    download(client, "job-1", path)
    assert path.read_bytes() == RESULT
    assert gateway.ranges == [None, "bytes=10000-", "bytes=30000-"]


def test_a_partial_file_is_used(client: ApiClient, gateway: FakeGateway, path: Path) -> None:
    partial = _partial(path, RESULT[:5000])
    seen: list[tuple[int, int | None]] = []
    download(client, "job-1", path, lambda had, total: seen.append((had, total)))
    assert path.read_bytes() == RESULT
    assert not partial.exists()
    assert gateway.ranges == ["bytes=5000-"]
    assert (seen[0], seen[-1]) == ((5000, len(RESULT)), (len(RESULT), len(RESULT)))


def test_a_server_without_ranges_starts_over(
    client: ApiClient, gateway: FakeGateway, path: Path
) -> None:
    gateway.ignore_range = True
    _partial(path, b"x" * 5000)
    download(client, "job-1", path)
    assert path.read_bytes() == RESULT


def test_a_whole_partial_file_is_enough(client: ApiClient, path: Path) -> None:
    _partial(path, RESULT)
    download(client, "job-1", path)
    assert path.read_bytes() == RESULT


def test_a_partial_file_that_is_too_long_is_dropped(client: ApiClient, path: Path) -> None:
    partial = _partial(path, RESULT + b"more")
    with pytest.raises(CliError, match="another result"):
        download(client, "job-1", path)
    assert not partial.exists()


def test_what_keeps_breaking_leaves_the_partial_file(
    client: ApiClient, gateway: FakeGateway, path: Path
) -> None:
    gateway.drop_download_after_bytes = [1000] * 5
    with pytest.raises(GatewayUnreachable):
        download(client, "job-1", path)
    assert not path.exists()
    assert path.with_name("adapter.zip.job-1.part").stat().st_size == 5000
