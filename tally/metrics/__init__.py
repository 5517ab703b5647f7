"""What a service tells Prometheus: its page, and the metrics that every service has."""
