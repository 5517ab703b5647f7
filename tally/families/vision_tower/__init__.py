"""The frozen vision tower of Qwen2-VL and Qwen2.5-VL, over many images in one pass."""
