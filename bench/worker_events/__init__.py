"""What a step of a real job takes, and what of it is gRPC's: the same job several ways in turn."""
