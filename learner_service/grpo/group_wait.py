"""What is done while a forward pass waits for its groups."""

from collections.abc import Callable

from learner_service.events import JobPhase
from learner_service.grpo.groups import PromptStage
from learner_service.grpo.rollouts_ahead import StepRollouts
from learner_service.phases import Phases


class GroupWait:
    """Says what the job stands still for, and computes vision features meanwhile."""

    def __init__(
        self,
        rollouts: StepRollouts,
        stage: PromptStage,
        phases: Phases,
        check_stop: Callable[[], None],
    ) -> None:
        self._rollouts = rollouts
        self._stage = stage
        self._phases = phases
        self._check_stop = check_stop

    def begin(self, first: int, end: int) -> None:
        """For the groups from `first` to before `end`.

        Features are made of all their images together, even of those that no group that learns
        will need now: their last bits then depend on the data alone, not on what arrived when.
        """
        if not self._rollouts.are_there(first, end):
            if first == 0:
                self._phases.enter(JobPhase.ROLLOUT)
            else:
                self._phases.stand_still()
        self._check_stop()
        self._stage.features([row.image_digest for row in self._rollouts.rows[first:end]])

    def end(self) -> None:
        self._phases.enter(JobPhase.LEARNING)
