"""The four services as processes on one machine."""
