"""What the scheduler adds to vLLM's own, whose part is played by stand-ins."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vllm")

from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.outputs import LogprobsLists

from rollout_service.vllm_engine.scheduler import WholeCompletions


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> WholeCompletions:
    """`update_from_output` is given what vLLM's own would return; `schedule` schedules "all"."""
    stand_ins = {
        "__init__": lambda self: None,
        "add_request": lambda self, request: self.waiting.append(request),
        "schedule": lambda self: "all",
        "update_from_output": lambda self, outputs: {0: EngineCoreOutputs(outputs=outputs)},
        "finish_requests": lambda self, ids: [SimpleNamespace(request_id=one) for one in ids],
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(Scheduler, name, stand_in)
    scheduler = WholeCompletions()
    scheduler.waiting, scheduler.running, scheduler.max_num_running_reqs = [], [], 3
    return scheduler


def token(request_id: str, token_id: int, reason: FinishReason | None = None) -> EngineCoreOutput:
    """One sampled token, whose log-probability is its id's negative."""
    logprobs = LogprobsLists(
        np.array([[token_id]]), np.array([[-float(token_id)]], np.float32), np.array([1])
    )
    return EngineCoreOutput(
        request_id=request_id, new_token_ids=[token_id], new_logprobs=logprobs, finish_reason=reason
    )


def sent(scheduler: WholeCompletions, *outputs: EngineCoreOutput) -> list[tuple[list[int], list]]:
    """Token ids and log-probabilities of what goes to the other process."""
    told = scheduler.update_from_output(list(outputs))
    return [
        (one.new_token_ids, one.new_logprobs.logprobs[:, 0].tolist())
        for outputs_of_client in told.values()
        for one in outputs_of_client.outputs
    ]


def test_a_completion_is_told_of_once_and_whole(scheduler):
    assert scheduler.update_from_output([token("a", 1), token("b", 5)]) == {}
    assert sent(scheduler, token("a", 2), token("b", 6, FinishReason.LENGTH)) == [
        ([5, 6], [-5.0, -6.0])
    ]
    assert sent(scheduler, token("a", 3, FinishReason.STOP)) == [([1, 2, 3], [-1.0, -2.0, -3.0])]
    assert sent(scheduler, token("c", 4, FinishReason.STOP)) == [([4], [-4.0])]


def test_a_request_that_was_given_up_leaves_nothing(scheduler):
    scheduler.update_from_output([token("a", 1)])
    scheduler.finish_requests(["a"])
    assert sent(scheduler, token("a", 2, FinishReason.STOP)) == [([2], [-2.0])]


def test_an_idle_engine_waits_for_what_follows_until_a_batch_is_full(scheduler, monkeypatch):
    clock = SimpleNamespace(now=50.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("rollout_service.vllm_engine.scheduler.time", clock)
    assert scheduler.schedule() == "all"  # nothing to wait for
    scheduler.add_request("a")
    assert scheduler.schedule().total_num_scheduled_tokens == 0
    clock.now += 0.01
    assert scheduler.schedule() == "all"
    for request in "bc":
        scheduler.add_request(request)
    assert scheduler.schedule() == "all"  # full
    scheduler.waiting, scheduler.running = ["d"], ["a", "b"]
    assert scheduler.schedule() == "all"  # busy
