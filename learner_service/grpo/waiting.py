"""What the trainer does while it waits for the groups of a forward pass."""

from collections.abc import Callable

from learner_service.grpo.groups import PromptStage
from learner_service.grpo.rollouts_ahead import StepRollouts
from learner_service.grpo.step_meter import StepMeter
from learner_service.jobs.events import JobPhase
from learner_service.jobs.phases import Phases


class Waiting:
    """Says what the job stands still for, and computes vision features meanwhile."""

    def __init__(
        self,
        rollouts: StepRollouts,
        stage: PromptStage,
        phases: Phases,
        meter: StepMeter,
        check_stop: Callable[[], None],
    ) -> None:
        self._rollouts = rollouts
        self._stage = stage
        self._phases = phases
        self._meter = meter
        self._check_stop = check_stop

    def before(self, first: int, end: int) -> None:
        """For the groups from `first` to before `end`."""
        if self._rollouts.are_there(first, end):
            return
        if first == 0:
            self._phases.enter(JobPhase.ROLLOUT)
        else:
            self._phases.stand_still()
        for sample in self._rollouts.samples[first:end]:
            if not self._rollouts.are_there(first, end):
                self._check_stop()
                self._stage.features(sample.image_digest)

    def after(self) -> None:
        self._meter.waited_seconds = self._rollouts.waited_seconds
        self._phases.enter(JobPhase.LEARNING)
