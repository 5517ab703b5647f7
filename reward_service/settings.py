"""Settings of the reward service, from the environment and the command line."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from rpc.settings import LogLevel, ServerSettings


class RewardServerSettings(ServerSettings):
    """Where the reward service listens, and its limits."""

    port: int = Field(50051, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")


class RewardSettings(BaseSettings):
    """Reads a count out of an answer and scores it against the true count.

    Each setting is an option here and a variable of the environment: --server.port is
    TALLY_REWARD_SERVER__PORT. The option wins.
    """

    model_config = SettingsConfigDict(
        env_prefix="TALLY_REWARD_",
        env_nested_delimiter="__",
        frozen=True,
        cli_prog_name="python -m reward_service",
        cli_kebab_case=False,
    )

    server: RewardServerSettings = Field(
        default_factory=lambda: RewardServerSettings.model_validate({}),
        description="Where to listen, and the limits.",
    )
    log_level: LogLevel = Field("info", description="Least severe messages that are logged.")
