"""Settings that every server and every client has, and how a service reads its own."""

import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from tally.logs.setup import LogFormat, LogLevel
from tally.traces.setup import check_endpoint, standard_endpoint

_SECRET = "services_secret"
_FEWEST_SECRET_CHARACTERS = 32


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
    keepalive_seconds: float = Field(
        20.0,
        ge=1,
        description="Silence after which a caller is asked for a sign of life, and how long that "
        "may take, in seconds; the calls of one that gives none are over.",
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
    open_to_anyone: bool = Field(
        False,
        description="Take calls off this machine without a secret and without TLS: whoever reaches "
        "the port may make any call.",
    )


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
    log_format: LogFormat = Field(
        "text", description="`text` for people, or `json`: an object a line, for programs."
    )
    trace_endpoint: str | None = Field(
        default_factory=standard_endpoint,
        description="Where traces go: the address of an OTLP collector that takes gRPC, such as "
        "http://collector:4317; unset: what OTEL_EXPORTER_OTLP_ENDPOINT says, and without that "
        "nothing is traced.",
    )
    services_secret: SecretStr | None = Field(
        None,
        # A worker gets it in its environment, never in a file.
        exclude=True,
        description="What the services show each other with every call, at least "
        f"{_FEWEST_SECRET_CHARACTERS} characters, the same for all; never as an option of the "
        "command line.",
    )
    services_secret_path: Path | None = Field(
        None, description="A file that holds it, in the place of the variable."
    )

    @field_validator("trace_endpoint")
    @classmethod
    def _collector(cls, endpoint: str | None) -> str | None:
        return check_endpoint(endpoint)

    @model_validator(mode="after")
    def _usable_secret(self) -> Self:
        check_secret(self.secret)
        return self

    @property
    def secret(self) -> str | None:
        """What this service shows, and asks of its callers; None where there is none."""
        if self.services_secret_path is not None:
            return _read_secret(self.services_secret_path)
        secret = self.services_secret
        return None if secret is None else secret.get_secret_value()

    @classmethod
    def read(cls, arguments: Sequence[str] | None = None) -> Self:
        """Reads all three; names what is wrong on standard error and exits with 2.

        `arguments` are the process's own where None.
        """
        options = sys.argv[1:] if arguments is None else list(arguments)
        _refuse_secret_option(options)
        try:
            return cls(_cli_parse_args=options)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                where = [".".join(map(str, fault["loc"]))] if fault["loc"] else []
                said = fault["msg"].removeprefix("Value error, ")
                sys.stderr.write(f"{': '.join([*where, said])}\n")
        except SettingsError as error:
            sys.stderr.write(f"{error}\n")
        sys.exit(2)


class RpcServiceSettings(ServiceSettings):
    """Of a service that takes gRPC calls; a subclass says at which port."""

    server: ServerSettings = Field(ServerSettings(), description="Where the service listens.")

    @model_validator(mode="after")
    def _refuse_an_open_port(self) -> Self:
        server = self.server
        guarded = self.secret is not None or server.tls.enabled
        if not (guarded or is_loopback(server.host) or server.open_to_anyone):
            raise ValueError(
                f"server.host {server.host} is reached from other machines: set {_SECRET} or "
                f"{_SECRET}_path, or mutual TLS (server.tls), or, to let anyone call who reaches "
                "the port, server.open_to_anyone"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches who listens on `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_secret(secret: str | None) -> None:
    """Raises ValueError for one that is too short, or that no header can hold."""
    if secret is None:
        return
    if len(secret) < _FEWEST_SECRET_CHARACTERS or not (secret.isascii() and secret.isprintable()):
        raise ValueError(
            f"{_SECRET}: expected at least {_FEWEST_SECRET_CHARACTERS} printable ASCII characters, "
            "such as `openssl rand -hex 32` gives"
        )


def _read_secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{_SECRET}_path: can't be read ({type(error).__name__})") from error


def _refuse_secret_option(options: Sequence[str]) -> None:
    option = f"--{_SECRET.replace('_', '-')}"
    if any(given.partition("=")[0] == option for given in options):
        sys.stderr.write(
            f"{option}: everybody on this machine reads a command line; set the variable, or "
            f"{option}-path\n"
        )
        sys.exit(2)
