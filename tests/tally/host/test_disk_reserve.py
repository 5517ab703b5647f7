"""Room that is kept, and given up once."""

from pathlib import Path

from tally.host.disk_reserve import DiskReserve
from tests.small_disk import small_disk


def test_it_takes_room_while_there_is_plenty_and_gives_it_up_once(tmp_path: Path):
    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        reserve = DiskReserve(disk.path / "reserve", size_bytes=1024**2)
        disk.fill(free_bytes=2 * 1024**2)
        reserve.fill()
        assert not reserve.give_up()
        disk.empty()
        reserve.fill()
        disk.fill()
        assert disk.free_bytes == 0
        assert reserve.give_up()
        assert disk.free_bytes == 1024**2
        assert not reserve.give_up()
