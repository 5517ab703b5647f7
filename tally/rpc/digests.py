"""Names of content: SHA-256 as 64 lower-case hexadecimal digits."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from tally.rpc.errors import InvalidArgument

_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_digest(digest: str, field: str) -> str:
    """Returns `digest` as it is, or raises InvalidArgument that names `field`."""
    if not _DIGEST.fullmatch(digest):
        raise InvalidArgument(f"{field}: expected 64 lower-case hexadecimal digits (SHA-256)")
    return digest


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def vocabulary_fingerprint(vocabulary: Mapping[str, int]) -> str:
    """SHA-256 over ids and tokens: equal for two tokenizers exactly when their ids are."""
    rows = sorted((token_id, token) for token, token_id in vocabulary.items())
    return digest_of("\n".join(f"{token_id}\t{token}" for token_id, token in rows).encode())


def digest_of_file(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
