"""This service's own exceptions; tally/rpc/errors.py says which status each becomes."""

from tally.rpc.errors import InvalidArgument, ResourceExhausted, Unavailable


class BadRequest(InvalidArgument):
    """A request that breaks what rollout.proto says of it."""


class BadImage(InvalidArgument):
    """An image blob that is no PNG on the model's grid."""


class BadAdapter(InvalidArgument):
    """An adapter blob that is not a LoRA of this model."""


class BlobTooLarge(InvalidArgument):
    """A blob that the cache can never hold."""


class TooManyRequests(ResourceExhausted):
    """As many completions are in progress as the settings allow."""


class CacheFull(ResourceExhausted):
    """Every cached blob is in use by a call in progress."""


class UnusableEngine(ValueError):
    """The settings name an engine that can't serve the model here."""


class EngineNotReady(Unavailable):
    """The model is still loading, or the engine is closed."""


class EngineDied(Unavailable):
    """The engine can't answer any more; only a new process can."""


class OutOfMemory(ResourceExhausted):
    """The device has no room for a request now."""
