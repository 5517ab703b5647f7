"""Synthetic counting scenes, and the small policy for machines without a GPU."""

from tally import torch_compat

torch_compat.install()
