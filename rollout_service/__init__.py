"""Prompt tokens, image and adapter digest in; completions with log-probabilities out."""
