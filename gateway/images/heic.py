"""HEIC (ISO/IEC 23008-12), as phones take photographs: upright, and a JPEG from here on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.cpu_time import add_seconds
from gateway.images.heic_process import SECONDS, SIZE, TOO_LARGE
from gateway.images.stripped import damage

# HEVC alone: AVIF is another format in the same kind of file.
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PROGRAM = Path(__file__).with_name("heic_process.py")
# Its CPU time is bounded; this is for a machine that is busy otherwise.
_MOST_SECONDS = 120.0
# What it needs to start at all; the rest of the environment may hold secrets.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")


def is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def heic_to_jpeg(
    data: bytes, most_pixels: int, longest_side: int, check_size: Callable[[int, int], None]
) -> bytes:
    """The picture as a JPEG, turned as it says itself; raises BadImage, as `check_size` does.

    Equal bytes give equal bytes. A process of its own decodes it, see heic_process.
    """
    command = [sys.executable, "-P", str(_PROGRAM), str(most_pixels), str(longest_side)]
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            env=environment,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        add_seconds(time.monotonic() - started)
        raise damage() from None
    if done.returncode == TOO_LARGE:
        check_size(*SIZE.unpack(done.stdout))
    if done.returncode:
        add_seconds(time.monotonic() - started)
        raise damage()
    [seconds] = SECONDS.unpack_from(done.stdout)
    add_seconds(seconds)
    return done.stdout[SECONDS.size :]
