"""The routes of the gateway, a function each: its arguments → the request."""

from tally.client.calls import about, comparisons, data, jobs, predictions

__all__ = ["about", "comparisons", "data", "jobs", "predictions"]
