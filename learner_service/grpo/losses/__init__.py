"""The loss of a forward pass, and an object for each loss type that a job may choose."""
