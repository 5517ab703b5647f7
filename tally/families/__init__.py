"""The model families: what Tally knows of each, for the learner and for the engines."""
