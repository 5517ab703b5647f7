"""The REST API from Python, and what its answers add up to."""
