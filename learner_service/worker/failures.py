"""What a worker that gives up tells the service."""

import os

import torch

from learner_service.errors import LESS_MEMORY, RankLost, Superseded
from learner_service.events import WorkerFailed
from tally.host.full_disk import is_full_disk
from tally.rpc.errors import DataLoss, ResourceExhausted, TallyError

# A rank's exit code where it ended only because another one did.
LOST_OTHERS = os.EX_TEMPFAIL


def describe_failure(error: Exception) -> WorkerFailed:
    """What a person is told, and whether another worker may do better."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return WorkerFailed(message=f"out of memory; {LESS_MEMORY}", retryable=True)
    if is_full_disk(error) or is_full_disk(error.__cause__ or error):
        message = "no room on the learner's disk; free some"
        return WorkerFailed(message=message, retryable=True, full_disk=True)
    if isinstance(error, DataLoss | RankLost | ResourceExhausted | Superseded):
        return WorkerFailed(message=str(error), retryable=True)
    if isinstance(error, TallyError | FloatingPointError):
        return WorkerFailed(message=str(error), retryable=False)
    message = f"the worker failed with {type(error).__name__}; its log says more"
    return WorkerFailed(message=message, retryable=True)
