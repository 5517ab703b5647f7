"""What a worker that gives up tells the service."""

import os

import torch

from learner_service.errors import LossNotFinite, RankLost, Superseded
from learner_service.events import WorkerFailed
from tally.host.full_disk import is_full_disk
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import DataLoss, ResourceExhausted, TallyError

# A rank's exit code where it ended only because another one did.
LOST_OTHERS = os.EX_TEMPFAIL


def describe_failure(error: Exception) -> WorkerFailed:
    """What a person is told, and whether another worker may do better."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return WorkerFailed.of(Message("out_of_memory"), retryable=True)
    if is_full_disk(error) or is_full_disk(error.__cause__ or error):
        return WorkerFailed.of(Message("learner_disk_full"), retryable=True, full_disk=True)
    if isinstance(error, LossNotFinite):
        return WorkerFailed.of(Message("loss_not_finite"), retryable=False)
    if isinstance(error, TallyError):
        helps = isinstance(error, DataLoss | RankLost | ResourceExhausted | Superseded)
        return WorkerFailed.of(quote_service(error), retryable=helps)
    return WorkerFailed.of(Message("worker_failed", error=type(error).__name__), retryable=True)
