"""How a worker reaches its service: in its environment, on no command line and in no file."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from learner_service.settings import SECRET_VARIABLE
from tally.rpc.settings import ClientSettings

_LEARNER_VARIABLE = "TALLY_WORKER_LEARNER"
_TOKEN_VARIABLE = "TALLY_WORKER_TOKEN"
_HEADER = "tally-attempt-token"


@dataclass(frozen=True, kw_only=True)
class WorkerAccess:
    """`learner` is where the service is; who shows `token` speaks for one attempt at one job.
    `secret` is what the services show each other, where they share one."""

    learner: ClientSettings
    token: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """What a worker's environment has of it."""
        learner = self.learner.model_dump_json()
        secret = {} if self.secret is None else {SECRET_VARIABLE: self.secret}
        return {_LEARNER_VARIABLE: learner, _TOKEN_VARIABLE: self.token} | secret

    @property
    def metadata(self) -> tuple[str, str]:
        """What each call shows, as one item of its metadata."""
        return _HEADER, self.token

    @classmethod
    def of(cls, variables: Mapping[str, str] = os.environ) -> "WorkerAccess":
        """That of this process. Raises KeyError where no service has started it."""
        learner = ClientSettings.model_validate_json(variables[_LEARNER_VARIABLE])
        secret = variables.get(SECRET_VARIABLE)
        return cls(learner=learner, token=variables[_TOKEN_VARIABLE], secret=secret)


def token_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The token that a call shows; empty for none."""
    shown = [value for key, value in metadata or () if key == _HEADER]
    return shown[0] if len(shown) == 1 and isinstance(shown[0], str) else ""
