"""What a job is doing right now, told by the trainer and by the clients that wait for services."""

from learner_service.events import JobPhase, PhaseChanged, Report

_NEEDS_ROLLOUTS = (JobPhase.ROLLOUT, JobPhase.EVALUATING)


class Phases:
    """Says `waiting for rollout` in place of a phase that can't go on without a replica."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._phase = JobPhase.NONE
        self._at_a_standstill = False
        self._rollouts_away = False

    def enter(self, phase: JobPhase) -> None:
        self._phase = phase
        self._at_a_standstill = phase in _NEEDS_ROLLOUTS
        self._say()

    def stand_still(self) -> None:
        """The phase goes on only with more rollouts; a short wait is no phase of its own."""
        self._at_a_standstill = True
        self._say()

    def rollouts_away(self, away: bool) -> None:
        self._rollouts_away = away
        self._say()

    def _say(self) -> None:
        phase = self._phase
        if self._rollouts_away and self._at_a_standstill:
            phase = JobPhase.WAITING_FOR_ROLLOUT
        if phase is not JobPhase.NONE:
            self._report(PhaseChanged(phase=phase))
