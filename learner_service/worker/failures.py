"""What a worker that gives up tells the service."""

import torch

from learner_service.errors import RankLost
from learner_service.events import WorkerFailed
from tally.rpc.errors import DataLoss, ResourceExhausted, TallyError


def describe_failure(error: Exception) -> WorkerFailed:
    """What a person is told, and whether another worker may do better."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        advice = "reduce batch_size, raise gradient_accumulation_steps or set use_4bit"
        return WorkerFailed(message=f"out of memory; {advice}", retryable=True)
    if isinstance(error, DataLoss | RankLost | ResourceExhausted):
        return WorkerFailed(message=str(error), retryable=True)
    if isinstance(error, TallyError | FloatingPointError):
        return WorkerFailed(message=str(error), retryable=False)
    message = f"the worker failed with {type(error).__name__}; its log says more"
    return WorkerFailed(message=message, retryable=True)
