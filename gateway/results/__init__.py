"""What jobs yield: metrics, reports, adapters, and how they are answered."""
