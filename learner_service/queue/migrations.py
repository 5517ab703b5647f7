"""What brings an older learner.db up to date; `PRAGMA user_version` counts those that were done."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from learner_service.spec import stored_spec

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


def renew_fingerprints(connection: sqlite3.Connection) -> None:
    """Settings that were added or removed since change them, and a job that goes on from an earlier
    one is found by them."""
    rows = connection.execute("SELECT job_id, fingerprint, spec FROM jobs").fetchall()
    for job_id, fingerprint, text in rows:
        spec = stored_spec(text)
        if spec and spec.fingerprint() != fingerprint:
            values = (spec.fingerprint(), job_id)
            connection.execute("UPDATE jobs SET fingerprint = ? WHERE job_id = ?", values)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_give_specs_their_work,)
