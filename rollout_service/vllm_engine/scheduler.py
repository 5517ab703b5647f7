"""vLLM's scheduler, which tells of a completion once it has ended, and starts on full batches.

Nobody here streams. Each token on its way alone costs vLLM's process a message and this one a
turn of its event loop, beside the next token's computation. And completions that begin together
end together: an engine that starts on the first of a group has a step more to run at the end.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
from vllm.v1.outputs import LogprobsLists
from vllm.v1.request import Request

_COMPANIONS_SECONDS = 0.003  # some time between two requests that a client sends at once


class WholeCompletions(Scheduler):
    """Keeps the outputs of each request until its last, and sends them as one.

    Idle, it waits a moment for what follows the first request, until a batch is full.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: defaultdict[str, list[EngineCoreOutput]] = defaultdict(list)
        self._arrived_at = -math.inf

    def add_request(self, request: Request) -> None:
        super().add_request(request)
        self._arrived_at = time.monotonic()

    def schedule(self, *args: Any, **kwargs: Any) -> SchedulerOutput:
        if self._awaits_companions():
            return SchedulerOutput.make_empty()
        return super().schedule(*args, **kwargs)

    def update_from_output(self, *args: Any, **kwargs: Any) -> dict[int, EngineCoreOutputs]:
        outputs_by_client = super().update_from_output(*args, **kwargs)
        for outputs in outputs_by_client.values():
            outputs.outputs = [whole for one in outputs.outputs if (whole := self._whole(one))]
        return {client: one for client, one in outputs_by_client.items() if _tells_something(one)}

    def finish_requests(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Requests that were given up; their outputs will have no last one."""
        requests = super().finish_requests(*args, **kwargs)
        for request in requests:
            self._parts.pop(request.request_id, None)
        return requests

    def _awaits_companions(self) -> bool:
        """Whether an idle engine would start on a part of what is just arriving."""
        if self.running or not 0 < len(self.waiting) < self.max_num_running_reqs:
            return False
        return time.monotonic() - self._arrived_at < _COMPANIONS_SECONDS

    def _whole(self, output: EngineCoreOutput) -> EngineCoreOutput | None:
        if not output.finished:
            self._parts[output.request_id].append(output)
            return None
        parts = self._parts.pop(output.request_id, None)
        return join([*parts, output]) if parts else output


def join(parts: list[EngineCoreOutput]) -> EngineCoreOutput:
    """The last of `parts` with the tokens and log-probabilities of all."""
    whole = parts[-1]
    whole.new_token_ids = [token_id for part in parts for token_id in part.new_token_ids]
    whole.new_logprobs = _join_logprobs(part.new_logprobs for part in parts)
    whole.prefill_stats = parts[0].prefill_stats
    return whole


def _join_logprobs(parts: Iterable[LogprobsLists | None]) -> LogprobsLists | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    columns = zip(*(part[:3] for part in present), strict=True)
    token_ids, logprobs, ranks = (np.concatenate(column) for column in columns)
    return LogprobsLists(token_ids, logprobs, ranks)


def _tells_something(outputs: EngineCoreOutputs) -> bool:
    return bool(outputs.outputs or outputs.finished_requests or outputs.scheduler_stats)
