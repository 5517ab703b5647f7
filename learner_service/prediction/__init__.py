"""One question about one image, to base and adapter."""
