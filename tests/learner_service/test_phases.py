from learner_service.events import JobPhase, PhaseChanged
from learner_service.phases import Phases


def test_a_missing_replica_shows_only_where_it_is_waited_for():
    said: list[PhaseChanged] = []
    phases = Phases(said.append)
    phases.enter(JobPhase.LEARNING)
    phases.rollouts_away(True)
    phases.stand_still()
    phases.enter(JobPhase.LEARNING)
    phases.enter(JobPhase.ROLLOUT)
    phases.rollouts_away(False)
    phases.enter(JobPhase.EVALUATING)
    phases.rollouts_away(True)
    assert [event.phase for event in said] == [
        JobPhase.LEARNING,
        JobPhase.LEARNING,
        JobPhase.WAITING_FOR_ROLLOUT,
        JobPhase.LEARNING,
        JobPhase.WAITING_FOR_ROLLOUT,
        JobPhase.ROLLOUT,
        JobPhase.EVALUATING,
        JobPhase.WAITING_FOR_ROLLOUT,
    ]
