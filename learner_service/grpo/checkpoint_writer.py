"""Checkpoints of a trainer: each appears whole or not at all, and costs the job nothing else."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError

from learner_service.events import Notice, Report
from learner_service.job_folder.checkpoints import checkpoint_name
from learner_service.job_folder.commits import Place
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.layout import JobFolder
from tally.host.full_disk import is_full_disk
from tally.messages.message import Message
from tally.traces.spans import span

_log = logging.getLogger(__name__)


class CheckpointWriter:
    """Takes over what is written below `staging`, a folder of this attempt alone."""

    def __init__(
        self,
        folder: JobFolder,
        keeper: Keeper,
        kept: int,
        report: Report,
        complete: Callable[[Path], None],
    ) -> None:
        """`complete` adds to a folder what a checkpoint has besides."""
        self.staging = folder.staging / str(keeper.attempt)
        self._checkpoints = folder.checkpoints
        self._keeper = keeper
        self._kept = kept
        self._report = report
        self._complete = complete

    @property
    def last_step(self) -> int:
        """That of the last whole one; 0 where there is none."""
        return self._checkpoints.find_last().step

    def staging_of(self, step: int) -> Path:
        """Where the step's folder is written before it appears."""
        return self.staging / checkpoint_name(step)

    def save(self, step: int, write: Callable[[], None]) -> None:
        """`write` leaves the step's folder in `staging`.

        Where that fails the earlier checkpoints are whole, training goes on, and the next save
        tries again; half a checkpoint goes at once, since its bytes may be what a full disk lacks.
        """
        shutil.rmtree(self.staging, ignore_errors=True)
        try:
            with span("checkpoint"):
                write()
                self._complete(self.staging_of(step))
                self._checkpoints.commit(self.staging_of(step))
                self._keeper.keep(Place.CHECKPOINT, self._checkpoints.files_of(step), step)
                self._checkpoints.prune(self._kept)
        except torch.OutOfMemoryError:
            raise
        except (OSError, RuntimeError, SafetensorError) as error:
            _log.warning("the checkpoint of step %d", step, exc_info=error)
            why = _describe(error)
            said = Message("checkpoint_unwritten", step=step, reason=why)
            self._report(Notice.of(said))
        finally:
            shutil.rmtree(self.staging, ignore_errors=True)


def _describe(error: Exception) -> Message | str:
    if is_full_disk(error):
        return Message("next_save_tries")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return Message("error_in_log", error=type(error).__name__)
