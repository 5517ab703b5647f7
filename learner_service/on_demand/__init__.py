"""What the service itself asks of the replicas: single answers and preflight."""
