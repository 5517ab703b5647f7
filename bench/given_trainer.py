"""TRL's trainer with a way to learn from given completions, of which TRL itself has none."""

from collections.abc import Sequence
from typing import Any

from tally import torch_compat

torch_compat.install()

from trl import GRPOTrainer  # noqa: E402


class GivenTrainer(GRPOTrainer):
    """TRL's own in all but this: a batch of `batch_of`'s is learnt from as it is."""

    _given: tuple[list[list[int]], list[list[float]] | None] | None = None

    def batch_of(
        self,
        rows: Sequence[dict[str, Any]],
        completions: list[list[int]],
        sampler_logps: list[list[float]] | None = None,
    ) -> dict[str, Any]:
        """TRL's batch for these rows, one for each completion (token ids), scored by its rewards.

        `sampler_logps` are the log-probabilities that the completions' tokens were sampled with.
        """
        self._given = completions, sampler_logps
        assert self.model is not None
        self.model.train()
        try:
            batch: dict[str, Any] = self._generate_and_score_completions(list(rows))
        finally:
            self._given = None
        return batch

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        sample: Any = super()._generate_single_turn  # comes without types
        return self._given or sample(*args, **kwargs)

    def _prepare_inputs(self, batch: Any) -> Any:
        is_prepared = isinstance(batch, dict) and "completion_ids" in batch
        return batch if is_prepared else super()._prepare_inputs(batch)
