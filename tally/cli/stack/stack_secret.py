"""The secret of a stack on this machine: made anew at each start, readable for its user alone."""

import os
import secrets
from pathlib import Path

_NAME = "services-secret"


def secret_path(data_dir: Path) -> Path:
    return data_dir / _NAME


def write_secret(data_dir: Path) -> Path:
    """Writes a new one, in the place of an earlier stack's; returns where."""
    path = secret_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def read_secret(data_dir: Path) -> str:
    """That of the stack which runs over `data_dir`."""
    return secret_path(data_dir).read_text()
