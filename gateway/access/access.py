"""The tokens that are good now, and whether one is needed."""

import asyncio
import hmac
import logging
from collections.abc import Sequence

from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from gateway.access.callers import ANYONE, OPERATOR, Caller
from gateway.access.token_models import AccessToken
from gateway.access.token_store import TokenStore, token_digest

_log = logging.getLogger(__name__)


class Access:
    """Knows callers by their tokens, out of memory: no request waits for the database.

    `watch` reads the tokens again, since another process makes and revokes them. While the database
    is away, those known last are good.
    """

    def __init__(
        self, store: TokenStore, operators_token: SecretStr | None, poll_seconds: float
    ) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._operators: list[tuple[str, Caller]] = []
        if operators_token is not None:
            self._operators = [(token_digest(operators_token.get_secret_value()), OPERATOR)]
        self._take([])

    @property
    def is_required(self) -> bool:
        """Whether a request needs a token: once there is one, even if it was revoked since."""
        return self._is_required

    def find(self, token: str) -> Caller | None:
        """Whom a token belongs to. Every digest is compared, and each in constant time."""
        digest = token_digest(token)
        found = None
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def is_good(self, caller: Caller) -> bool:
        """Whether a caller who was let in would be now."""
        if caller == ANYONE:
            return not self._is_required
        return any(known == caller for _, known in self._callers)

    async def load(self) -> None:
        """Reads the tokens; raises SQLAlchemyError where the database is away."""
        self._take(await self._store.run(self._store.all))

    async def watch(self) -> None:
        """Runs on."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.load()
            except SQLAlchemyError as error:
                _log.warning("cannot look for new tokens: %s", type(error).__name__)

    def _take(self, tokens: Sequence[AccessToken]) -> None:
        good = [(token.digest, token.caller) for token in tokens if token.revoked_at is None]
        self._callers = self._operators + good
        self._is_required = bool(self._operators or tokens)
