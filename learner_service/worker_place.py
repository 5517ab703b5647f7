"""Where a worker runs that is not on its learner's host: what of its task holds for that host."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.task import WorkerTask
from tally.logs.setup import LogFormat, LogLevel
from tally.rpc.names import model_name
from tally.rpc.settings import ClientSettings

_VARIABLE = "TALLY_WORKER_PLACE"


class WorkerPlace(BaseModel):
    """`host_number` is that of the host among those of the attempt, `data_dir` a folder of which
    nothing is needed afterwards; `models` are folders of base models there, and the clients are
    None where the services are reached as the learner reaches them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host_number: int
    data_dir: Path
    models: tuple[str, ...] = ()
    rollout: ClientSettings | None = None
    reward: ClientSettings | None = None
    interface: str | None = None
    feature_folder: Path | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"

    @property
    def variables(self) -> dict[str, str]:
        """What a worker's environment has of it."""
        return {_VARIABLE: self.model_dump_json()}

    @classmethod
    def of(cls, variables: Mapping[str, str] = os.environ) -> "WorkerPlace | None":
        """That of this process; None on the learner's own host."""
        text = variables.get(_VARIABLE)
        return cls.model_validate_json(text) if text else None

    def localise(self, text: str) -> WorkerTask:
        """The learner's task, which is `text`, with this host's folders, targets and interface."""
        fields = json.loads(text)
        fields["settings"] |= self._settings
        del fields["settings"]["server"]  # a worker listens nowhere
        fields["launch"] |= {"host_number": self.host_number}
        fields["launch"]["rendezvous"]["interface"] = self.interface
        fields["folder_path"] = str(JobFolder.of_job(self.data_dir, fields["job_id"]).path)
        fields["blobs"] = str(self.data_dir / "blobs")
        sources = {model_name(source): source for source in self.models}
        base_model = fields["spec"]["base_model"]
        fields["model_source"] = sources.get(base_model, fields["model_source"])
        return WorkerTask.model_validate(fields)

    @property
    def _settings(self) -> dict[str, Any]:
        """The secret comes by the environment, and trackers are those of the first host."""
        settings: dict[str, Any] = {
            "data_dir": str(self.data_dir),
            "feature_folder": self.feature_folder and str(self.feature_folder),
            "log_level": self.log_level,
            "log_format": self.log_format,
            "services_secret_path": None,
        }
        if self.host_number:
            settings["report_to"] = []
        for name in ("rollout", "reward"):
            if client := getattr(self, name):
                settings[name] = client.model_dump(mode="json")
        return settings
