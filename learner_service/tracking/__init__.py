"""A job's steps in the operator's trackers."""
