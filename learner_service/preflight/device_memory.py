"""What memory there is for a worker on this machine. In bytes."""

import subprocess

from tally.host.memory import total_bytes


def available_memory(device: str) -> tuple[str, int]:
    """The device that a worker would take, and its memory in bytes (0: not known)."""
    if device != "cpu" and (of_gpu := _gpu_bytes()):
        return "cuda", of_gpu
    return ("cuda", 0) if device == "cuda" else ("cpu", total_bytes())


def _gpu_bytes() -> int:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return int(listed.stdout.split()[0]) * 1024**2
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
