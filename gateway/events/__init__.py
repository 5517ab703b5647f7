"""What a job logs, as server-sent events."""
