"""Who sent a request, what they may do, and whose things are theirs."""

from enum import StrEnum
from typing import NamedTuple

from gateway.errors import Forbidden
from tally.job.settings import DEFAULT_PRIORITY
from tally.messages.message import Message

# Of what is nobody's in particular: written without a token, with the operator's own one, or before
# there were owners. Only an operator sees it.
NOBODY = ""


class Role(StrEnum):
    """`reader` looks at its owner's things, `writer` makes and changes them too; `operator` does
    both with everybody's."""

    READER = "reader"
    WRITER = "writer"
    OPERATOR = "operator"


class Caller(NamedTuple):
    """Whom a request comes from; `token` is the name of the token that it showed.

    >>> Caller("laptop", "alice", Role.WRITER).check_is_own("bob", "job_id")
    Traceback (most recent call last):
    gateway.errors.Forbidden: job_id: is another owner's; use a token of theirs
    """

    token: str
    owner: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role is not Role.READER

    @property
    def sees_only(self) -> str | None:
        """The owner whose things lists show; None for everybody's."""
        return None if self.role is Role.OPERATOR else self.owner

    def check_priority(self, priority: int) -> None:
        """Raises Forbidden for a job that is to go before those of others."""
        if priority > DEFAULT_PRIORITY and self.role is not Role.OPERATOR:
            raise Forbidden.at("priority", Message("priority_above_role"))

    def check_is_own(self, owner: str, where: str) -> None:
        """Raises Forbidden that names `where` for what is another owner's."""
        if self.sees_only not in (None, owner):
            raise Forbidden.at(where, Message("owner_differs"))


OPERATOR = Caller("operator", NOBODY, Role.OPERATOR)
# Where no token is needed, everybody is an operator.
ANYONE = Caller("", NOBODY, Role.OPERATOR)
