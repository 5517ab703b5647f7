"""The step: groups, advantages, loss, trainer, and what a step measures."""
