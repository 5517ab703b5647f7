"""Where the Ray cluster is, and what a job asks it for."""

from pydantic import BaseModel, ConfigDict, Field

from tally.rpc.settings import ClientSettings


class RaySettings(BaseModel):
    """Of the placement `ray`; its nodes have what `learner_service/host/settings.py` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(
        "auto",
        description="The Ray cluster: ray://HEAD:10001 from any host, HEAD:6379 from one of its "
        "own, auto for the one of this host.",
    )
    learner: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50053"),
        description="This service, as the nodes of the Ray cluster reach it.",
    )
    cpus_per_process: int = Field(
        4,
        ge=1,
        description="Cores that Ray is asked for with each process of a job, and the threads that "
        "it has.",
    )
