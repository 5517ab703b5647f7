"""What an operator can set of a service's own database."""

from pydantic import Field, SecretStr

from tally.rpc.settings import ServiceSettings


class DatabaseSettings(ServiceSettings):
    """Settings of a service that has a database of its own."""

    database_url: SecretStr | None = Field(
        None,
        exclude=True,  # what is written to a file holds no password
        description="postgresql://user:password@host/name, or sqlite:///file. Unset: SQLite in "
        "data_dir.",
    )
    database_timeout_seconds: float = Field(
        5.0,
        gt=0,
        description="How long a call waits for a database that is locked, stopped or away, before "
        "it is refused as one to try again.",
    )
