"""What brings an older learner.db up to date; `PRAGMA user_version` counts those that were done."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

_OF_TRAINING = ("lora", "rewards", "evaluation_dataset_digest", "evaluation_share")
_OF_EVALUATION = ("max_image_size", "max_new_tokens", "seed")


def _give_specs_their_work(connection: sqlite3.Connection) -> None:
    for job_id, spec in connection.execute("SELECT job_id, spec FROM jobs").fetchall():
        text = json.dumps(spec_with_work(json.loads(spec)))
        connection.execute("UPDATE jobs SET spec = ? WHERE job_id = ?", (text, job_id))


def spec_with_work(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a job that had an adapter_digest where it compared, as one whose work says so."""
    if spec["adapter_digest"]:
        work = {"kind": "evaluate", "adapter_digest": spec["adapter_digest"]}
        work |= {name: spec["training"][name] for name in _OF_EVALUATION}
    else:
        work = {"kind": "train", "config": spec["training"]}
        work |= {name: spec[name] for name in _OF_TRAINING}
    kept = {name: spec[name] for name in ("job_name", "dataset_digest", "base_model")}
    return {**kept, "work": work}


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_give_specs_their_work,)
