"""Python imports this by itself when it starts with this folder on its path."""

from tally import torch_compat

torch_compat.install()
