"""What the gateway answers, as the commands read it."""

from collections.abc import Mapping
from typing import Any

# `tally.client.answers` says what is in each.
Json = Mapping[str, Any]


def contents_of(upload: Json) -> str:
    """What a person tells an upload by, beside its name.

    >>> contents_of({"kind": "data", "csv_rows": 9})
    '9 rows'
    """
    return "an adapter" if upload.get("kind") == "adapter" else f"{upload['csv_rows']} rows"
