"""Jobs, the policy, GRPO, checkpoints, evaluation and the blob store."""
