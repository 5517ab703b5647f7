"""The frozen vision towers of the families, over many images in one pass."""
