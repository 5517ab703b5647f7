"""Settings that every server and every client has, and how a service reads its own."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

LogLevel = Literal["debug", "info", "warning", "error"]


class TlsSettings(BaseModel):
    """Mutual TLS: both sides show a certificate of the same authority. All three files or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate_path: Path | None = Field(None, description="This side's certificate chain, PEM.")
    private_key_path: Path | None = Field(None, description="Its private key, PEM.")
    authority_path: Path | None = Field(
        None, description="The authority that signed the other side's certificate, PEM."
    )

    @property
    def enabled(self) -> bool:
        return self.certificate_path is not None

    @model_validator(mode="after")
    def _all_or_none(self) -> "TlsSettings":
        given = [self.certificate_path, self.private_key_path, self.authority_path]
        if any(given) and not all(given):
            raise ValueError("set certificate_path, private_key_path and authority_path together")
        return self


class ServerSettings(BaseModel):
    """Where a gRPC server listens, and its limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(0, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    max_message_bytes: int = Field(
        32 * 1024**2, ge=1024, description="Largest message received or sent, in bytes."
    )
    max_concurrent_calls: int = Field(
        1024, ge=1, description="Calls in progress at once; more get RESOURCE_EXHAUSTED."
    )
    drain_seconds: float = Field(
        20.0, ge=0, description="How long calls in progress may go on after SIGTERM, in seconds."
    )
    connection_age_seconds: float = Field(
        30.0,
        gt=0,
        description="Age at which a connection is replaced, in seconds, give or take a tenth; its "
        "calls end on the old one. Clients of a DNS name then find replicas that joined.",
    )
    tls: TlsSettings = Field(TlsSettings(), description="Mutual TLS; off if unset.")


class ClientSettings(BaseModel):
    """How a gRPC client reaches a service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(
        description="Where the service is: host:port, dns:///name:port for every address behind a "
        "name, or ipv4:a:port,b:port for a list."
    )
    timeout_seconds: float = Field(
        60.0, gt=0, description="Deadline of a call that sets none of its own, in seconds."
    )
    max_message_bytes: int = Field(
        32 * 1024**2, ge=1024, description="Largest message received or sent, in bytes."
    )
    max_attempts: int = Field(
        5,
        ge=2,
        le=5,
        description="Tries of an idempotent call, the first included; gRPC's most is 5.",
    )
    keepalive_seconds: float = Field(
        5.0,
        ge=0.2,
        description="Silence after which a connection is asked for a sign of life, and how long "
        "that may take, in seconds; an address that gives none is left until it does.",
    )
    tls: TlsSettings = Field(TlsSettings(), description="Mutual TLS; off if unset.")


class ServiceSettings(BaseSettings):
    """A service's settings: options of the command line, then the environment, then defaults.

    A subclass sets `env_prefix` and `cli_prog_name` in its model_config.
    """

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        cli_kebab_case=True,
        extra="forbid",
        frozen=True,
    )

    log_level: LogLevel = Field("info", description="Least severe messages that are logged.")

    @classmethod
    def read(cls, arguments: Sequence[str] | None = None) -> Self:
        """Reads all three; names what is wrong on standard error and exits with 2.

        `arguments` are the process's own where None.
        """
        options = sys.argv[1:] if arguments is None else list(arguments)
        try:
            return cls(_cli_parse_args=options)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                where = ".".join(map(str, fault["loc"]))
                sys.stderr.write(f"{where}: {fault['msg']}\n")
        except SettingsError as error:
            sys.stderr.write(f"{error}\n")
        sys.exit(2)
