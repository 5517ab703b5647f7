"""Prompt tokens, image and adapter digest in; completions with log-probabilities out."""

from tally import torch_compat

torch_compat.install()
