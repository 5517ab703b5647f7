import socket
from pathlib import Path

import pytest

from tally.cli.errors import StackFailed
from tally.cli.stack import ports


def test_free_ports_differ() -> None:
    assert len(set(ports.free_ports(20))) == 20


def test_no_connection_is_given_a_free_port(tmp_path: Path, monkeypatch) -> None:
    handed_out = tmp_path / "range"
    handed_out.write_text("10010\t59999\n")
    monkeypatch.setattr(ports, "_HANDED_OUT", handed_out)
    assert all(port < 10_010 or port > 59_999 for port in ports.free_ports(200))


@pytest.mark.parametrize("handed_out", ["1024 65535", None])
def test_where_the_system_hands_out_nearly_all_or_does_not_say(
    tmp_path: Path, monkeypatch, handed_out: str | None
) -> None:
    path = tmp_path / "range"
    if handed_out:
        path.write_text(handed_out)
    monkeypatch.setattr(ports, "_HANDED_OUT", path)
    assert all(10_000 <= port < 32_768 for port in ports.free_ports(20))


def test_a_port_that_another_has_is_not_free(monkeypatch) -> None:
    taken, free = ports.free_ports(2)
    monkeypatch.setattr(ports.random, "sample", lambda candidates, k: [taken, free])
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        assert ports.free_port() == free


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackFailed, match=f"Port {port} of 127.0.0.1 can't be had"):
            ports.check_port_is_free("127.0.0.1", port)
