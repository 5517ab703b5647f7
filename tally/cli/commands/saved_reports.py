"""A comparison's files: the page, the table, the figures."""

from pathlib import Path
from typing import Literal

from tally.cli.files import write_file
from tally.client import Client
from tally.text.sinks import to_json

ReportKind = Literal["json", "csv", "html"]


def save_evaluation(client: Client, job_id: str, kind: ReportKind, path: Path) -> Path:
    """Writes `html`, `csv` or `json` of a job's comparison, or of one that was asked for."""
    if kind == "json":
        text = to_json(client.evaluation(job_id), indent=2)
        write_file(path, f"{text}\n".encode())
    else:
        write_file(path, client.evaluation_file(job_id, kind))
    return path
