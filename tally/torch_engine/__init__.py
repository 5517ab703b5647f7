"""The engine over torch and transformers' weights."""
