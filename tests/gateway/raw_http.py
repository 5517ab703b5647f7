"""HTTP as no client library would send it."""

import asyncio

from tests.waiting import PATIENCE_SECONDS


async def send_raw(port: int, data: bytes) -> bytes:
    """Sends bytes and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


def form(data: bytes, head: bytes = b'name="file"; filename="a.zip"') -> tuple[bytes, bytes]:
    """Request head and body of an upload."""
    body = b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n--b--\r\n"
    request = (
        b"POST /upload-data HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n\r\n"
    )
    return request % len(body), body
