"""What is held out, answered by one adapter after another: the curve, and its best step."""

from collections.abc import Mapping

from learner_service.job_folder.history import StepHistory

# As transformers' trackers know what was measured on other data.
PREFIX = "eval_"
_FIGURE = f"{PREFIX}exact_rate"


class HeldOutCurve:
    """Exact rates by their steps, in the order of the steps.

    Example:
        >>> curve = HeldOutCurve({5: 0.4, 10: 0.6, 15: 0.6})
        >>> curve.best_step, curve.since_best
        (10, 1)
    """

    def __init__(self, exact_rates: Mapping[int, float] | None = None) -> None:
        self._exact_rates = dict(exact_rates or {})

    @classmethod
    def read(cls, history: StepHistory, last_step: int) -> "HeldOutCurve":
        """That of a job up to `last_step`."""
        entries = history.entries(having=_FIGURE)
        return cls({e["step"]: e[_FIGURE] for e in entries if e["step"] <= last_step})

    def __contains__(self, step: int) -> bool:
        return step in self._exact_rates

    def add(self, step: int, exact_rate: float) -> bool:
        """Whether it is above all before it."""
        self._exact_rates[step] = exact_rate
        return self.best_step == step

    @property
    def best_step(self) -> int | None:
        """The first of the highest ones; None where there is none yet."""
        return max(self._exact_rates, key=self._exact_rates.__getitem__, default=None)

    @property
    def since_best(self) -> int:
        """How many came after it."""
        best = self.best_step or 0
        return sum(step > best for step in self._exact_rates)
