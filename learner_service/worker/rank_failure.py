"""Why a rank gave up, in the file that torchrun's agent names for that."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from learner_service.events import WorkerFailed

_VARIABLE = "TORCHELASTIC_ERROR_FILE"


def write_failure(failure: WorkerFailed) -> None:
    """Leaves it for whoever started this rank; nothing where nobody reads it."""
    if path := os.environ.get(_VARIABLE):
        # In the form that the agent itself reads.
        told = {"message": json.dumps(asdict(failure)), "timestamp": int(time.time())}
        Path(path).write_text(json.dumps(told))


def read_failure(path: str) -> WorkerFailed | None:
    """What a rank left at `path`; None where it had no time to."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(Path(path).read_text())["message"]
        return WorkerFailed(**json.loads(told))
    return None
