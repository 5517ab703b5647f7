"""Settings of the reward service: environment variables TALLY_REWARD_… or the command line."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from tally.metrics.settings import MetricsSettings
from tally.rpc.settings import RpcServiceSettings, ServerSettings


class InstalledSettings(BaseModel):
    """How long rewards of other packages may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_seconds: float = Field(
        60.0, gt=0, description="How long a reward of another package may load, in seconds."
    )
    answer_seconds: float = Field(
        20.0,
        gt=0,
        description="How long it may take for the answers of a request, in seconds; then its "
        "process is killed and the request fails. Below the deadline of who asks, 60 at first.",
    )


class RewardSettings(RpcServiceSettings, MetricsSettings):
    """Reads a count out of an answer and scores it against the true count."""

    model_config = SettingsConfigDict(
        env_prefix="TALLY_REWARD_", cli_prog_name="python -m reward_service"
    )

    server: ServerSettings = Field(
        ServerSettings(port=50051), description="Where the service listens."
    )
    installed: InstalledSettings = Field(
        InstalledSettings(), description="Rewards of other packages."
    )
