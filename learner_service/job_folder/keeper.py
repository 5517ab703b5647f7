"""What of a worker's own folder is to last: whoever keeps it is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learner_service.job_folder.commits import Place


class Keeper:
    """Of a trainer without a service, whose own folder is all there is: does nothing more.

    What a step leaves counts once these calls have returned.
    """

    attempt = 1

    def keep(self, place: Place, paths: Sequence[Path], step: int = 0) -> None:
        """Makes copies of the files what `place` says; `step` is that of a checkpoint."""

    def publish(self, path: Path, digest: str, kept: int) -> None:
        """Lets replicas have the adapter at `path`; of the job's adapters `kept` stay."""

    def log_history(self, entry: dict[str, Any]) -> None:
        """As `StepHistory.append`; a start that is reported rewinds what is kept."""
