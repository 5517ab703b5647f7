"""The learner's clients of the rollout and reward services, and how they wait."""
