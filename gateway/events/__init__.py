"""What a job's steps told: stored, streamed, thinned."""
