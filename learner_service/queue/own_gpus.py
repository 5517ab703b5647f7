"""Which GPUs this host has for workers, by the names that CUDA_VISIBLE_DEVICES takes."""

import os
import re
import subprocess

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LISTED = re.compile(r"^(\s*)(?:GPU|MIG) .*\(UUID: ([\w-]+)\)", re.MULTILINE)


def own_gpus(device: str) -> list[str]:
    """Those that the service may use; none where workers are to be on a CPU."""
    if device == "cpu":
        return []
    visible = os.environ.get(_VISIBLE)
    return _listed_by_driver() if visible is None else read_visible(visible)


def read_visible(text: str) -> list[str]:
    """As CUDA reads the variable: up to the first that is none.

    Example:
        >>> read_visible("0,2,-1,3")
        ['0', '2']
    """
    names = [name.strip() for name in text.split(",")]
    ends = (at for at, name in enumerate(names) if not name or name.startswith("-"))
    return names[: next(ends, len(names))]


def read_list(text: str) -> list[str]:
    """The UUIDs that `nvidia-smi -L` lists; of a card that is split, those of its parts.

    Example:
        >>> read_list("GPU 0: NVIDIA H200 (UUID: GPU-a)\\n  MIG 1g.18gb Device 0: (UUID: MIG-b)")
        ['MIG-b']
    """
    names: list[str] = []
    whole = ""
    for indent, uuid in _LISTED.findall(text):
        if indent and whole:
            names.remove(whole)
        whole = "" if indent else uuid
        names.append(uuid)
    return names


def _listed_by_driver() -> list[str]:
    command = ["nvidia-smi", "-L"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return read_list(listed.stdout)
