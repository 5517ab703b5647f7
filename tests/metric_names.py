"""Names of metrics: those that a page offers, and those that a text names."""

import re

from prometheus_client.parser import text_string_to_metric_families

_SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
_NAMED = re.compile(
    r"\b(?:tally_(?:child|data|gateway|gpu|learner|reward|rollout)|process|grpc_server)_\w+"
)


def offered_names(page: str) -> set[str]:
    """Of every series that the page has, or will have once there is something to tell."""
    return {
        f"{family.name}{suffix}"
        for family in text_string_to_metric_families(page)
        for suffix in _SUFFIXES.get(family.type, [""])
    }


def named_in(text: str) -> set[str]:
    return set(_NAMED.findall(text))
