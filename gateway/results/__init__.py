"""What jobs yield: adapters and reports."""
