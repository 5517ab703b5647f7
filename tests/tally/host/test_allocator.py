"""Where glibc puts large blocks, asked of glibc in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes
from tally.host.allocator import large_blocks_apart

class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd",
        "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

ask = ctypes.CDLL(None).mallinfo2
ask.restype = MallInfo

def apart(size_mib):
    '''How many blocks more have pages of their own, with one that is new.'''
    before = ask().hblks
    block = bytearray(size_mib * 1024**2)
    return ask().hblks - before

apart(16)  # glibc learns the size when it is freed
print(apart(4))
with large_blocks_apart():
    print(apart(8))  # more than is free in the heap
print(apart(8))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="asks glibc itself")
def test_large_blocks_have_pages_of_their_own_while_it_is_asked_for():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0", "1", "0"]
