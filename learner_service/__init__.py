"""Jobs, the policy, GRPO, checkpoints, evaluation and the blob store."""

import torch_compat

torch_compat.install()
