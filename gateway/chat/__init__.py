"""Conversations with the base models and the adapters, as the OpenAI API has them."""
