"""A DNS server of one name, whose addresses a test changes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_QUESTION_AT = 12
_TYPE_A = 1
_FLAGS = 0x8580  # an answer, by the name's own server, without an error


class NameServer(asyncio.DatagramProtocol):
    """Answers every question with `addresses` (IPv4), to be asked again after a second."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        end = data.index(b"\0", _QUESTION_AT) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = self.addresses if kind == _TYPE_A else []
        header = data[:2] + struct.pack("!HHHHH", _FLAGS, 1, len(found), 0, 0)
        records = [
            struct.pack("!HHHIH", 0xC000 + _QUESTION_AT, _TYPE_A, 1, 1, 4) + socket.inet_aton(one)
            for one in found
        ]
        self._transport.sendto(header + data[_QUESTION_AT:end] + b"".join(records), address)


@asynccontextmanager
async def running_name_server(addresses: list[str]) -> AsyncIterator[tuple[NameServer, str]]:
    """The server and the authority of a gRPC target, as in dns://AUTHORITY/name:port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        host, port = transport.get_extra_info("sockname")
        yield server, f"{host}:{port}"
    finally:
        transport.close()
