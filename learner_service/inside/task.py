"""What the service hands over to an engine's process, on its standard input."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from learner_service.settings import LearnerSettings


class EngineTask(BaseModel):
    """`source` is where the base is loaded from, `blobs` the service's own store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    blobs: Path
    settings: LearnerSettings
