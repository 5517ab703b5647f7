"""Sampling by the learner itself, over a policy's weights or a base's: no rollout service."""
