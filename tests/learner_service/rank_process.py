"""Processes of one job, started with torchrun's variables: each runs a function of a test.

    python -m tests.learner_service.rank_process MODULE:FUNCTION FOLDER ARGUMENTS

The function gets the Ranks that the process has joined, the folder, and the arguments, which are
JSON; what it returns, or the error that it raises, is in the folder under the process's number.
"""

import gc
import json
import os
import pkgutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist

from learner_service.lean_imports import import_lean
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


class RankProcesses:
    """`count` processes that run `function`; the store that they meet at outlives them."""

    def __init__(self, count: int, function: Callable[..., Any], folder: Path, **arguments: Any):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        name = f"{function.__module__}:{function.__name__}"
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", __name__, name, str(folder), json.dumps(arguments)],
                cwd=ROOT,
                env=os.environ | self._variables(rank, count),
            )
            for rank in range(count)
        ]

    def results(self) -> list[dict[str, Any]]:
        """Of every process: {"result": …}, or {"error": …, "kind": …}; {} of a killed one."""
        for process in self.processes:
            process.wait(PATIENCE_SECONDS)
        paths = [self._folder / f"{rank}.json" for rank in range(len(self.processes))]
        return [json.loads(path.read_text()) if path.exists() else {} for path in paths]

    def _variables(self, rank: int, count: int) -> dict[str, str]:
        return {
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self._store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "OMP_NUM_THREADS": "1",
        }


def main() -> None:
    ranks_of = import_lean("learner_service.ranks").Ranks
    gc.freeze()  # what is imported lives on; transformers collects after each training
    name, folder, arguments = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    ranks = ranks_of.join(arguments.pop("timeout_seconds", PATIENCE_SECONDS))
    try:
        with ranks:
            said = {"result": pkgutil.resolve_name(name)(ranks, folder, **arguments)}
    except Exception as error:
        traceback.print_exc()
        said = {"error": str(error), "kind": type(error).__name__}
    (folder / f"{ranks.rank}.json").write_text(json.dumps(said))
    os._exit(0)


if __name__ == "__main__":
    main()
