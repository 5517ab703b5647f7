"""How the processes of a job begin a step: all of them, the same one, in one trace."""

import threading

from learner_service.errors import StopRequested
from learner_service.grpo.step_traces import StepTraces
from learner_service.ranks import Ranks
from tally.rpc.errors import DataLoss


class Meeting:
    """Before each step; `traces` are those of the steps."""

    def __init__(self, ranks: Ranks, stop: threading.Event) -> None:
        self._ranks = ranks
        self._stop = stop
        self.traces = StepTraces(ranks)

    def begin(self, step: int, asked: range) -> None:
        """Where all are to begin `step`, and to ask for the steps in `asked`.

        Raises StopRequested where one of them is to stop.
        """
        own = self._stop.is_set(), step, self.traces.begin(asked)
        stops, steps, (begun, *_) = zip(*self._ranks.exchange(own), strict=True)
        if any(stops):
            raise StopRequested
        if len(set(steps)) > 1:
            raise DataLoss("the processes of the job go on from checkpoints of different steps")
        self.traces.join(begun)
        self.traces.enter(step)
