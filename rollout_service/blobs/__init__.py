"""Blobs that a replica has fetched, on disk or in memory-backed storage."""
