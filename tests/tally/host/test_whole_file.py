"""Real kills: a file is what it was or what it was to become, nothing in between."""

from pathlib import Path

import pytest

from tally.host import whole_file
from tally.host.whole_file import write_whole
from tests.learner_service.kills import PAUSES_SECONDS, kill_writer

WRITE_FILES = """
import sys
from pathlib import Path
from tally.host.whole_file import write_whole
step = int(sys.argv[2])
while True:
    step += 1
    write_whole(Path(sys.argv[1]) / "file", f"{step}\\n" * 200_000, sync=False)
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path):
    step = 0
    for pause in PAUSES_SECONDS:
        acknowledged = kill_writer(WRITE_FILES, tmp_path, step, pause)
        lines = (tmp_path / "file").read_text().splitlines()
        assert len(lines) == 200_000
        assert len(set(lines)) == 1
        step = int(lines[0])
        assert step >= acknowledged


@pytest.mark.parametrize("sync", [True, False])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch, sync: bool):
    write_whole(tmp_path / "file", "before", sync=sync)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "file", "after", sync=sync)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "before")]
