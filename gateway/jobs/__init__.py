"""Jobs: their settings, their rows, and one follower each through the learner."""
