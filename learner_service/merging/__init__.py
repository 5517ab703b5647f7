"""A base model with an adapter in its weights, made while it is sent: no model is built."""
