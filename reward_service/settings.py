"""Settings of the reward service: environment variables TALLY_REWARD_… or the command line."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tally.rpc.settings import RpcServiceSettings, ServerSettings


class RewardSettings(RpcServiceSettings):
    """Reads a count out of an answer and scores it against the true count."""

    model_config = SettingsConfigDict(
        env_prefix="TALLY_REWARD_", cli_prog_name="python -m reward_service"
    )

    server: ServerSettings = Field(
        ServerSettings(port=50051), description="Where the service listens."
    )
