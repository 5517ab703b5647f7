"""Ids of traces and spans."""

import secrets

from opentelemetry.sdk.trace.id_generator import IdGenerator


class UnseededIds(IdGenerator):
    """Of the system's randomness: a job seeds Python's own, with which the ids of one attempt would
    be those of the next, and of every job with that seed."""

    def generate_span_id(self) -> int:
        return secrets.randbits(64) or 1

    def generate_trace_id(self) -> int:
        return secrets.randbits(128) or 1
