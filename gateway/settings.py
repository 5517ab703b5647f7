"""The gateway's settings: TALLY_GATEWAY_* in the environment, or flags of `python -m gateway`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from gateway.webhook_key import key_of
from tally.database.settings import DatabaseSettings
from tally.metrics.settings import MetricsSettings
from tally.rpc.settings import ClientSettings

MIB = 1024**2
GIB = 1024**3
# A thousand years: before the year 1 there is no date to look back to.
_MOST_DAYS = 365_000.0


def _check_key(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


class GatewaySettings(DatabaseSettings, MetricsSettings):
    """Everything an operator can set. This file is the reference."""

    model_config = SettingsConfigDict(
        env_prefix="TALLY_GATEWAY_", cli_prog_name="python -m gateway"
    )

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    cores: int | None = Field(
        None,
        ge=1,
        description="Cores that it keeps to, the last ones that it may use; all where unset. "
        "Python runs on one at a time, and threads that wake each other across cores hold up what "
        "else the machine does.",
    )
    data_dir: Path = Field(
        Path("tally-data/gateway"),
        description="Folder of uploads, datasets, results and the SQLite file. Several gateways on "
        "one PostgreSQL share it.",
    )
    learner: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50053"), description="How the learner is reached."
    )
    reward: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50051", timeout_seconds=20.0),
        description="How the reward service is reached.",
    )
    token: SecretStr | None = Field(
        None,
        min_length=1,
        description="The operator's own token: when it is set, or one was made with `python -m "
        "gateway.tokens`, every request needs `Authorization: Bearer <token>`.",
    )
    open_to_anyone: bool = Field(
        False,
        description="Listen off this machine without any token: whoever reaches the port may do "
        "everything.",
    )
    max_failed_attempts: int = Field(
        20, ge=1, description="Wrong tokens that an address may send at once; more get 429."
    )
    failed_attempt_seconds: float = Field(
        5.0, gt=0, description="Time after which one of them is forgiven."
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For says where a request "
        "came from; else each proxy is one sender.",
    )
    host_names: list[str] = Field(
        default_factory=list,
        description="Public names under which browsers reach a gateway without a token; addresses "
        "and names of the own network need not be listed.",
    )
    models: list[str] = Field(
        default_factory=list,
        description="Base models that a request may name; empty leaves it to the learner's list.",
    )

    max_upload_bytes: int = Field(2 * GIB, ge=1, description="Largest uploaded ZIP.")
    max_unpacked_bytes: int = Field(
        4 * GIB, ge=1, description="Most bytes of all entries of a ZIP together, inflated."
    )
    max_unpacked_ratio: float = Field(
        100.0,
        ge=1,
        description="Most bytes that a ZIP beyond 256 MiB unpacked may have for each of its own.",
    )
    max_parquet_memory_bytes: int = Field(
        4 * GIB,
        ge=GIB // 2,
        description="Most address space of the process that reads an upload of Parquet, one at a "
        "time.",
    )
    max_entries: int = Field(50_000, ge=1, description="Most entries of a ZIP.")
    max_csv_bytes: int = Field(32 * MIB, ge=1, description="Largest main.csv, inflated.")
    max_rows: int = Field(
        100_000, ge=1, description="Most data rows of main.csv, blank ones among them."
    )
    max_columns: int = Field(100, ge=3, description="Most columns of main.csv.")
    max_cell_characters: int = Field(4_000, ge=1, description="Longest cell of main.csv.")
    max_answer_characters: int = Field(
        4_000_000, ge=1, description="Most characters of all answers of main.csv together."
    )
    max_image_bytes: int = Field(32 * MIB, ge=1, description="Largest image file.")
    max_image_pixels: int = Field(50_000_000, ge=1, description="Most pixels of an image.")
    max_image_side: int = Field(16_384, ge=1, description="Longest side of an image, in pixels.")
    min_image_side: int = Field(4, ge=1, description="Shortest side of an image, in pixels.")
    max_image_aspect: float = Field(100.0, ge=1, description="Largest ratio of an image's sides.")
    validation_threads: int = Field(2, ge=1, description="Uploads that are validated at once.")
    validation_seconds: float = Field(
        20.0,
        gt=0,
        description="Most CPU time that validating an upload's table may take, and its images,"
        " beside validation_seconds_per_mib.",
    )
    validation_seconds_per_mib: float = Field(
        2.0, ge=0, description="CPU time that each MiB of an upload adds to validation_seconds."
    )

    max_files_per_owner: int | None = Field(
        None, ge=1, description="Uploads that an owner may have at once; more get 413."
    )
    max_file_bytes_per_owner: int | None = Field(
        None,
        ge=1,
        description="Most bytes of an owner's uploads together, as they are kept; equal ones count "
        "once.",
    )
    max_jobs_per_owner: int | None = Field(
        None,
        ge=1,
        description="Jobs and comparisons of an owner that have not ended; more get 429.",
    )
    file_retention_days: float | None = Field(
        None,
        gt=0,
        le=_MOST_DAYS,
        description="Days after which an upload goes that no job was started with since; unset: "
        "never.",
    )
    job_retention_days: float | None = Field(
        None, gt=0, le=_MOST_DAYS, description="Days after its end that a job goes; unset: never."
    )
    comparison_retention_days: float | None = Field(
        None,
        gt=0,
        le=_MOST_DAYS,
        description="Days after its end that a comparison goes; unset: never.",
    )

    prediction_retention_days: float | None = Field(
        None,
        gt=0,
        le=_MOST_DAYS,
        description="Days after its end that a prediction goes; unset: never.",
    )

    webhook_secret: Annotated[SecretStr, AfterValidator(_check_key)] | None = Field(
        None,
        description="What webhooks are signed with: `whsec_` and 24 to 64 random bytes in base64; "
        "unset: a callback_url is refused.",
    )
    webhooks_to_private_addresses: bool = Field(
        False, description="Send webhooks to this machine and to private networks, too."
    )
    webhook_retry_seconds: float = Field(
        5.0,
        gt=0,
        le=600,
        description="First wait before a webhook is sent again; each is four times the one before, "
        "and the ninth try is the last.",
    )

    max_json_bytes: int = Field(256 * 1024, ge=1, description="Largest body of any other request.")
    header_seconds: float = Field(
        20.0, gt=0, description="A connection whose request line and headers take longer is closed."
    )
    body_grace_seconds: float = Field(
        20.0, gt=0, description="How long a request body may fall behind min_body_rate."
    )
    min_body_rate: float = Field(
        1_000.0, gt=0, description="Slowest average speed of a request body, in bytes per second."
    )
    max_upload_rate: float | None = Field(
        None,
        gt=0,
        description="Most bytes a second of all uploads together, which leave the rest of the "
        "machine to jobs that train; unset: as many as 7 % of all cores, or half of those that "
        "idle, take in and check, but at most half of the cores that it keeps to.",
    )
    unread_body_seconds: float = Field(
        10.0, gt=0, description="How long a body that no route reads may come before it is cut off."
    )
    send_seconds: float = Field(
        60.0,
        gt=0,
        description="A connection that takes nothing of its answer for longer is closed.",
    )
    max_connections: int = Field(
        2_000,
        ge=1,
        description="Connections at once; beyond, those that no request was let in on give way.",
    )
    max_requests: int = Field(
        1_000, ge=1, description="Requests in progress at once, event streams too; more get 503."
    )
    max_requests_per_second: int = Field(
        1_000, ge=1, description="Requests of a token at an address, on average; more get 429."
    )

    max_event_streams: int = Field(500, ge=1, description="Event streams at once; more get 503.")
    heartbeat_seconds: float = Field(
        15.0, gt=0, description="Seconds between two comments on a quiet event stream."
    )
    poll_seconds: float = Field(
        1.0,
        gt=0,
        description="Seconds between two looks for what another process stored: events and tokens.",
    )
    submit_wait_seconds: float = Field(
        5.0, ge=0, description="How long /train waits for the learner before it answers anyway."
    )
    cancel_wait_seconds: float = Field(
        1.2, gt=0, le=1.5, description="How long DELETE waits for the learner."
    )
    retry_seconds: float = Field(
        0.5, gt=0, description="First wait before the learner is tried again; it doubles."
    )
    max_retry_seconds: float = Field(15.0, gt=0, description="Longest such wait.")
    drain_seconds: float = Field(
        10.0, ge=0, description="How long requests in progress may go on after SIGTERM."
    )
