"""The service: the queue, the jobs that are written down, their worker processes. No torch."""
