"""Where the processes of several hosts meet."""

from pydantic import BaseModel, ConfigDict, Field


class RendezvousSettings(BaseModel):
    """Where the processes of a job that runs on several hosts find each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = Field(
        None, description="This host, as the others reach it; needed for several hosts."
    )
    port: int = Field(
        29500, ge=1, le=65535, description="Port of that address, free while no job runs."
    )
    interface: str | None = Field(
        None,
        description="Network interface between the hosts, such as eth0; unset leaves it to gloo "
        "and NCCL, which ask for the address of the host's own name.",
    )
