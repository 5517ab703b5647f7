"""The process of one job: stage, load, train, save, compare."""
