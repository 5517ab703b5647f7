"""A cluster in small: real queue, gateway and blob store; workers and replicas that only wait."""
