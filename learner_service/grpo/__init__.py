"""The step: groups, advantages, losses, the step itself, the trainer, and what a step measures."""
