"""A comparison's files: the page, the table, the figures."""

from pathlib import Path

from tally.cli.client.api_client import ApiClient
from tally.cli.files import write_file
from tally.text.sinks import to_json


def save_evaluation(client: ApiClient, job_id: str, kind: str, path: Path) -> Path:
    """Writes `html`, `csv` or `json` of a job's comparison, or of one that was asked for."""
    if kind == "json":
        text = to_json(client.evaluation(job_id), indent=2)
        write_file(path, f"{text}\n".encode())
    else:
        write_file(path, client.evaluation_file(job_id, kind))
    return path
