"""What a job is doing right now, told by the trainer and by the clients that wait for services."""

from learner_service.events import JobPhase, PhaseChanged, Report

# What is at a standstill while no rollout replica answers.
_NEEDS_ROLLOUTS = (JobPhase.ROLLOUT, JobPhase.EVALUATING)


class Phases:
    """Says `waiting for rollout` in place of a phase that can't go on without a replica."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._phase = JobPhase.NONE
        self._rollouts_away = False

    def enter(self, phase: JobPhase) -> None:
        self._phase = phase
        self._say()

    def rollouts_away(self, away: bool) -> None:
        self._rollouts_away = away
        self._say()

    def _say(self) -> None:
        phase = self._phase
        if self._rollouts_away and phase in _NEEDS_ROLLOUTS:
            phase = JobPhase.WAITING_FOR_ROLLOUT
        if phase is not JobPhase.NONE:
            self._report(PhaseChanged(phase=phase))
