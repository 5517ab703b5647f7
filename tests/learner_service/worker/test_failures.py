import errno

import pytest
import torch

from learner_service.errors import InvalidDataset, LossNotFinite, RankLost, RolloutsUnavailable
from learner_service.events import WorkerFailed
from learner_service.queue.worker_process import WorkerExit
from learner_service.worker.failures import describe_failure
from tally.messages.languages import Language
from tally.rpc.errors import DataLoss


@pytest.mark.parametrize(
    ("error", "retryable", "said"),
    [
        (MemoryError(), True, "out of memory; reduce batch_size"),
        (torch.OutOfMemoryError("CUDA"), True, "use_4bit"),
        (InvalidDataset("images/a.png: not an image"), False, "images/a.png"),
        (RolloutsUnavailable("no rollout replica"), False, "no rollout replica"),
        (DataLoss("a completion is missing"), True, "missing"),
        (RankLost("one of the job's 2 processes ended"), True, "2 processes"),
        (LossNotFinite(), False, "try a lower learning_rate"),
        (KeyError("/secret/path"), True, "KeyError; its log says more"),
    ],
)
def test_what_a_person_is_told(error: Exception, retryable: bool, said: str):
    failure = describe_failure(error)
    assert failure.retryable is retryable
    assert said in failure.message == str(failure.reason)
    assert failure.reason.say(Language.CHINESE) != failure.message
    assert "/secret" not in failure.message


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
    ],
)
def test_a_full_disk_is_told_apart_from_what_the_job_is_to_blame_for(error: Exception):
    failure = describe_failure(error)
    assert (failure.retryable, failure.full_disk) == (True, True)
    assert failure.message == "no room on the learner's disk; free some"


def test_a_killed_worker_most_likely_ran_out_of_memory():
    assert "most likely because memory ran out" in str(WorkerExit(code=-9, failure=None).reason)
    ran_out = WorkerExit(code=-9, failure=None, memory_ran_out=True)
    assert "killed (signal 9), because memory ran out; reduce batch_size" in str(ran_out.reason)
    killed = WorkerExit(code=-9, failure=None, memory_ran_out=False)
    assert str(killed.reason) == "the worker was killed from outside (signal 9)"
    assert "exit code 3" in str(WorkerExit(code=3, failure=None).reason)
    failure = WorkerFailed(message="why", retryable=True)
    assert str(WorkerExit(code=1, failure=failure).reason) == "why"
