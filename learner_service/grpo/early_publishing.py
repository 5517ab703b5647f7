"""The next step's adapter, on its way while transformers ends this step."""

from typing import Any

from transformers import TrainerCallback

from learner_service.grpo.recent_adapters import RecentAdapters
from learner_service.grpo.rollouts_ahead import RolloutsAhead


class EarlyPublishing(TrainerCallback):
    """Between two steps nothing changes the weights once the optimizer has: what publishing waits
    for passes while the step is logged, reported and saved."""

    def __init__(self, adapters: RecentAdapters, ahead: RolloutsAhead) -> None:
        self._adapters = adapters
        self._ahead = ahead

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._ahead.to_ask(state.global_step + 1, state.max_steps):
            self._adapters.begin(kwargs["model"])
