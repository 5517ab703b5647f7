"""How long a log keeps the answers of a step: a job of 10,000 steps must not fill it. Pure."""

STEPS_KEPT = 20
_MILESTONES = 20


def is_milestone(step: int, total_steps: int) -> bool:
    """Whether a step's answers stay for good: of some 20 steps, spread over the job."""
    return (step - 1) % max(1, -(-total_steps // _MILESTONES)) == 0
