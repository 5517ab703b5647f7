"""Synthetic counting scenes, and the small policy for machines without a GPU."""
