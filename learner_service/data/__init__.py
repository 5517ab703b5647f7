"""Rows and their pictures, from a dataset blob to prompts; what training never sees."""
