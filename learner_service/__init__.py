"""Jobs, the policy, GRPO, checkpoints, evaluation and the blob store."""

from tally import torch_compat

torch_compat.install()
