"""The measured claims: each module is a command that prints a table and a last line of JSON."""

from tally import torch_compat

torch_compat.install()
