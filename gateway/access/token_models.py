"""A token as it is stored: by its digest, so that the database tells no token."""

from pydantic import NaiveDatetime
from sqlmodel import Field, SQLModel

from gateway.access.callers import Caller, Role


class AccessToken(SQLModel, table=True):
    """A row stays when its token is revoked: a gateway that has had tokens never opens to all."""

    __tablename__ = "access_tokens"

    name: str = Field(primary_key=True, max_length=64)
    owner: str = Field(max_length=64)
    role: str = Field(max_length=20)
    digest: str = Field(max_length=64, unique=True)
    created_at: NaiveDatetime
    revoked_at: NaiveDatetime | None = None

    @property
    def caller(self) -> Caller:
        return Caller(self.name, self.owner, Role(self.role))
