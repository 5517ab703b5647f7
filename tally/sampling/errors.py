"""What an engine refuses, and why it can't answer; tally/rpc/errors.py says each one's status."""

from tally.rpc.errors import InvalidArgument, ResourceExhausted, Unavailable


class BadRequest(InvalidArgument):
    """A request that breaks what rollout.proto says of it."""


class BadImage(InvalidArgument):
    """An image blob that is no PNG on the model's grid."""


class BadAdapter(InvalidArgument):
    """An adapter blob that is not a LoRA of this model."""


class EngineNotReady(Unavailable):
    """The model is still loading, or the engine is closed."""


class EngineDied(Unavailable):
    """The engine can't answer any more; only a new process can."""


class OutOfMemory(ResourceExhausted):
    """The device has no room for a request now."""
