"""Settings of a further host: environment variables TALLY_HOST_… or the command line."""

import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tally.rpc.settings import ClientSettings, ServiceSettings


class HostSettings(ServiceSettings):
    """Lends this host to a learner whose jobs run on several."""

    model_config = SettingsConfigDict(
        env_prefix="TALLY_HOST_", cli_prog_name="python -m learner_service.host"
    )

    learner: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50053"), description="The learner."
    )
    name: str = Field(
        "", max_length=200, description="Its name for people; unset means the machine's own."
    )
    processes: int = Field(
        1, ge=1, description="Processes that it runs of a job at most; one for each of its GPUs."
    )
    data_dir: Path = Field(
        Path("tally-data/host"),
        description="Folder of the data and the checkpoint of the job that runs; nothing in it is "
        "needed afterwards.",
    )
    models: list[str] = Field(
        [],
        description="Folders of base models on this host; a model that none of them is called like "
        "is loaded from where the learner loads it.",
    )
    rollout: ClientSettings | None = Field(
        None, description="The rollout replicas; unset means as the learner reaches them."
    )
    reward: ClientSettings | None = Field(
        None, description="The reward service; unset means as the learner reaches it."
    )
    interface: str | None = Field(
        None,
        description="Network interface to the learner's host, such as eth0; unset leaves it to "
        "gloo and NCCL.",
    )

    @property
    def host_name(self) -> str:
        return self.name or socket.gethostname()
