"""Hosts on one machine: network namespaces, joined to this one's by a bridge. Needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

INTERFACE = "eth0"


class HostNetwork:
    """`own` is this process's address in it; `address(host)` that of a host, from 1 on."""

    def __init__(self, hosts: int) -> None:
        # Of its own, so that two runs of the tests on one machine do not meet.
        number = os.getpid()
        self._name = f"t{number}"
        self._net = f"10.{64 + number // 250 % 64}.{number % 250}"
        self._hosts = range(1, hosts + 1)
        self.own = f"{self._net}.254"

    def address(self, host: int) -> str:
        return f"{self._net}.{host}"

    def command(self, host: int) -> list[str]:
        """What a command is run through, so that it runs on the host."""
        return ["ip", "netns", "exec", f"{self._name}h{host}"]

    def pids(self, host: int) -> list[int]:
        """Of what runs on the host."""
        command = ["ip", "netns", "pids", f"{self._name}h{host}"]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [int(pid) for pid in listing.split()]

    def set_link(self, host: int, state: str) -> None:
        """`up`, or `down`: what is sent to and from the host is lost, and nobody is told."""
        _ip("link", "set", f"{self._name}v{host}", state)

    def _make(self) -> None:
        _ip("link", "add", self._name, "type", "bridge")
        _ip("addr", "add", f"{self.own}/24", "dev", self._name)
        _ip("link", "set", self._name, "up")
        for host in self._hosts:
            namespace, port = f"{self._name}h{host}", f"{self._name}v{host}"
            _ip("netns", "add", namespace)
            peer = ["peer", "name", INTERFACE, "netns", namespace]
            _ip("link", "add", port, "type", "veth", *peer)
            _ip("link", "set", port, "master", self._name, "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "addr", "add", f"{self.address(host)}/24", "dev", INTERFACE)
            _ip("-n", namespace, "link", "set", INTERFACE, "up")

    def _remove(self) -> None:
        for host in self._hosts:
            _ip("netns", "del", f"{self._name}h{host}", check=False)
        _ip("link", "del", self._name, check=False)


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, (
        f"ip {' '.join(arguments)}: {done.stderr.strip()}; this test makes network namespaces, for "
        "which it needs root and iproute2"
    )


@contextmanager
def host_network(hosts: int = 2) -> Iterator[HostNetwork]:
    network = HostNetwork(hosts)
    try:
        network._make()
        yield network
    finally:
        network._remove()
