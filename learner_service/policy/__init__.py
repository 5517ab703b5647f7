"""The frozen base model with its adapter, and the forward pass over packed groups."""
