"""Gives a command GPUs that no other container of this machine has taken, then becomes it.

    python -m tally.host.free_gpus --number 1 --sharers 1 python -m rollout_service

Docker has no notion of a GPU that is in use: a reservation of one GPU gives every container the
first. So containers see all of them, and each holds a lock per GPU it takes, in a folder that they
share. The kernel drops a lock when its holder ends, however it ends.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tally.host.locks import try_lock

LOCKS = Path("/run/tally-gpus")


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs a command on GPUs that are free.")
    parser.add_argument("--number", type=int, default=1, help="GPUs to take.")
    parser.add_argument("--sharers", type=int, default=1, help="Containers that may share a GPU.")
    parser.add_argument("--locks", type=Path, default=LOCKS, help="Folder of the locks.")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    gpus = _visible_gpus()
    if gpus:
        taken = _take(gpus, arguments.number, arguments.sharers, arguments.locks)
        # nvidia-smi counts in this order; CUDA's own is another.
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    os.execvp(arguments.command[0], arguments.command)


def _visible_gpus() -> list[str]:
    """Their indices; none where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _take(gpus: list[str], number: int, sharers: int, locks: Path) -> list[str]:
    """The least shared first; ends the process where too few are free."""
    taken: list[str] = []
    for share in range(sharers):
        for gpu in gpus:
            if len(taken) < number and gpu not in taken and _lock(locks / f"{gpu}.{share}"):
                taken.append(gpu)
    if len(taken) < number:
        sys.exit(
            f"{number} of {len(gpus)} GPUs asked for, {len(taken)} free: start fewer replicas, "
            "or let more containers share a GPU"
        )
    return taken


def _lock(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
    if not try_lock(descriptor):
        os.close(descriptor)
        return False
    os.set_inheritable(descriptor, True)
    return True


if __name__ == "__main__":
    main()
