"""Which GPU of a host a rank uses: the one that is its own, and the only one that it sees."""

import os

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def see_own_gpu() -> None:
    """Leaves of this host's GPUs the one of the rank's number on it; before CUDA is first used.

    Where there are fewer, as on a CPU, nothing is changed.
    """
    number, count = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    listed = os.environ.get(_VISIBLE)
    gpus = list(map(str, range(count))) if listed is None else listed.split(",")
    if number < len(gpus) and gpus[number]:
        os.environ[_VISIBLE] = gpus[number]
