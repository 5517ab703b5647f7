"""Prompt tokens, image and adapter digest in; completions with log-probabilities out."""

import torch_compat

torch_compat.install()
