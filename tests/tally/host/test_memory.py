"""Memory that a process may use, with and without a container's limit."""

from pathlib import Path

import pytest

from tally.host import memory


@pytest.mark.parametrize("bytes_of", [memory.available_bytes, memory.total_bytes])
def test_a_containers_limit_counts_where_there_is_one(bytes_of, tmp_path: Path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (limit, tmp_path / "none"))
    limit.write_text("max\n")
    assert bytes_of() > 12345
    limit.write_text("12345\n")
    assert bytes_of() == 12345
