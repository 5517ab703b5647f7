"""What jobs measured and what the model said, step by step."""
