"""This service's own exceptions; tally/rpc/errors.py says which status each becomes."""

from tally.rpc.errors import InvalidArgument, ResourceExhausted


class BlobTooLarge(InvalidArgument):
    """A blob that the cache can never hold."""


class TooManyRequests(ResourceExhausted):
    """As many completions are in progress as the settings allow."""


class CacheFull(ResourceExhausted):
    """Every cached blob is in use by a call in progress."""


class UnusableEngine(ValueError):
    """The settings name an engine that can't serve the model here."""
