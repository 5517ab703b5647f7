"""The content-addressed store that every service pulls from."""
