"""How many of torch's threads a forward and backward pass is worth on a CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Tokens times weights of a product. Below, to wake a second thread for each product takes longer
# than what it then saves. Where threads spin while they wait, none has to be woken.
_LEAST_PRODUCT = 30_000_000


@contextmanager
def worthwhile_threads(device: torch.device, tokens: int, hidden_size: int) -> Iterator[None]:
    """Within it, torch has one thread where the products of `tokens` are small, else all."""
    threads = torch.get_num_threads()
    sleeps = device.type == "cpu" and os.getenv("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    if not sleeps or threads == 1 or tokens * hidden_size**2 >= _LEAST_PRODUCT:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
