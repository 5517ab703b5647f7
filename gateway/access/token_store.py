"""Rows of tokens: made, listed, revoked. The token itself is shown once and stored nowhere."""

import re
import secrets
from collections.abc import Sequence

from sqlmodel import col, select

from gateway.access.callers import Role
from gateway.access.token_models import AccessToken
from gateway.errors import Conflict, Missing, Unprocessable
from gateway.times import now
from tally.database.database import Database
from tally.messages.message import Message
from tally.rpc.digests import digest_of

# Scanners for secrets that slipped into a repository go by such a beginning.
_BEGINNING = "tally_"
_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def token_digest(token: str) -> str:
    """What is stored of a token. SHA-256 is enough: 32 random bytes can't be found by trying, which
    is what slow hashes of passwords are against, and every request pays for the hash."""
    return digest_of(token.encode())


class TokenStore:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.run = database.run

    def create(self, name: str, owner: str, role: Role) -> str:
        """The new token; raises Unprocessable for a bad name, Conflict for one that was used."""
        for field, value in (("name", name), ("owner", owner)):
            if not _NAME.fullmatch(value):
                raise Unprocessable.at(field, Message("token_name_invalid"))
        token = _BEGINNING + secrets.token_urlsafe(_RANDOM_BYTES)
        with self._database.writing() as session:
            if session.get(AccessToken, name) is not None:
                raise Conflict.at("name", Message("token_name_taken"))
            session.add(
                AccessToken(
                    name=name,
                    owner=owner,
                    role=role,
                    digest=token_digest(token),
                    created_at=now(),
                )
            )
        return token

    def revoke(self, name: str) -> None:
        """Raises Missing where there is no such token; one that is revoked stays so."""
        with self._database.writing() as session:
            token = session.get(AccessToken, name, with_for_update=True)
            if token is None:
                raise Missing.at("name", Message("no_such_token"))
            token.revoked_at = token.revoked_at or now()

    def all(self) -> Sequence[AccessToken]:
        """Every token that there ever was, the oldest first."""
        order = (col(AccessToken.created_at), col(AccessToken.name))
        with self._database.reading() as session:
            return session.exec(select(AccessToken).order_by(*order)).all()
