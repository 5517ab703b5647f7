"""Downloads: whole or not at all, and taken up where they ended."""

from pathlib import Path

import pytest

from tally.client import GatewayUnreachable, OtherDownload
from tests.fakes.gateway import RESULT, FakeGateway
from tests.tally.client.conftest import AnyClient, answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "adapter.zip"


def _partial(path: Path, content: bytes) -> Path:
    partial = path.with_name("adapter.zip.job-1.part")
    partial.write_bytes(content)
    return partial


async def test_a_broken_download_is_taken_up(
    client: AnyClient, gateway: FakeGateway, path: Path
) -> None:
    gateway.drop_download_after_bytes = [10_000, 20_000]
    await answer(client.download("job-1", path))
    assert path.read_bytes() == RESULT
    assert gateway.ranges == [None, "bytes=10000-", "bytes=30000-"]


async def test_a_partial_file_is_used(client: AnyClient, gateway: FakeGateway, path: Path) -> None:
    partial = _partial(path, RESULT[:5000])
    seen: list[tuple[int, int | None]] = []
    await answer(client.download("job-1", path, lambda had, total: seen.append((had, total))))
    assert path.read_bytes() == RESULT
    assert not partial.exists()
    assert gateway.ranges == ["bytes=5000-"]
    assert (seen[0], seen[-1]) == ((5000, len(RESULT)), (len(RESULT), len(RESULT)))


async def test_a_server_without_ranges_starts_over(
    client: AnyClient, gateway: FakeGateway, path: Path
) -> None:
    gateway.ignore_range = True
    _partial(path, b"x" * 5000)
    await answer(client.download("job-1", path))
    assert path.read_bytes() == RESULT


async def test_a_whole_partial_file_is_enough(client: AnyClient, path: Path) -> None:
    _partial(path, RESULT)
    await answer(client.download("job-1", path))
    assert path.read_bytes() == RESULT


async def test_a_partial_file_that_is_too_long_is_dropped(client: AnyClient, path: Path) -> None:
    partial = _partial(path, RESULT + b"more")
    with pytest.raises(OtherDownload, match="another result"):
        await answer(client.download("job-1", path))
    assert not partial.exists()


async def test_what_keeps_breaking_leaves_the_partial_file(
    client: AnyClient, gateway: FakeGateway, path: Path
) -> None:
    gateway.drop_download_after_bytes = [1000] * 5
    with pytest.raises(GatewayUnreachable):
        await answer(client.download("job-1", path))
    assert not path.exists()
    assert path.with_name("adapter.zip.job-1.part").stat().st_size == 5000


async def test_the_best_adapter_has_a_partial_file_of_its_own(
    client: AnyClient, gateway: FakeGateway, path: Path
) -> None:
    partial = _partial(path, RESULT[:5000])
    await answer(client.download("job-1", path, checkpoint="best"))
    assert path.read_bytes() == RESULT
    assert (gateway.ranges, gateway.downloaded) == ([None], ["best"])
    assert partial.exists()


async def test_the_merged_model_comes_from_its_beginning(
    client: AnyClient, gateway: FakeGateway, path: Path
) -> None:
    path.with_name(f"{path.name}.job-1.best.merged.part").write_bytes(b"PK half")
    await answer(client.download("job-1", path, checkpoint="best", form="merged"))
    assert path.read_bytes() == b"PK merged job-1"
    assert (gateway.ranges, gateway.downloaded) == ([None], ["best"])
    assert list(path.parent.iterdir()) == [path]
