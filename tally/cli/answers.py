"""What the gateway answers, as the commands read it."""

from collections.abc import Mapping
from typing import Any

# `tally.client.answers` says what is in each.
Json = Mapping[str, Any]
