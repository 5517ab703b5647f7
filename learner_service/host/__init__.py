"""A further host of a learner: it runs its share of the processes of a job."""
