"""Which rows each step of a job has: each in its turn, or by what their groups taught lately."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from learner_service.grpo.data_order import DataOrder
from learner_service.grpo.prompt_history import ChosenRow, PromptHistory
from learner_service.grpo.strata import share_out
from tally.job.choices import PromptSelection
from tally.job.settings import TrainingConfig


class PromptSelector:
    """Every epoch goes over all rows once."""

    def __init__(self, order: DataOrder) -> None:
        self._order = order

    def choose(self, step: int) -> Sequence[ChosenRow]:
        """The rows of a step; all processes of a job choose the same ones."""
        rows = self._order.rows(step)
        return [ChosenRow(index=index, weight=1 / len(rows)) for index in rows]

    def note(self, step: int, taught: Sequence[bool]) -> None:
        """Which groups of a step, in its order, taught anything; steps come in their order."""

    def save(self, folder: Path) -> None:
        """Writes into a checkpoint what whoever goes on from it needs to choose the same rows."""

    def load(self, checkpoint: Path | None) -> None:
        """Goes on from a checkpoint; from one that has nothing of this, as from no step."""


class HistorySelector(PromptSelector):
    """Draws the rows of a step from strata of what their groups taught, up to the last step that
    is known when the step is asked for."""

    def __init__(self, order: DataOrder, history: PromptHistory, seed: int) -> None:
        super().__init__(order)
        self._history = history
        self._seed = seed

    def choose(self, step: int) -> Sequence[ChosenRow]:
        """A step that is on its way keeps the rows that it was given."""
        if step not in self._history.chosen:
            self._history.chosen[step] = self._draw(step)
        return self._history.chosen[step]

    def note(self, step: int, taught: Sequence[bool]) -> None:
        self._history.note(step, taught)

    def save(self, folder: Path) -> None:
        self._history.save(folder)

    def load(self, checkpoint: Path | None) -> None:
        if found := PromptHistory.read(checkpoint) if checkpoint else None:
            self._history = found

    def _draw(self, step: int) -> list[ChosenRow]:
        random = Random(f"history {self._seed} {step}")
        drawn = [
            ChosenRow(index=index, weight=stratum.share / stratum.places)
            for stratum in share_out(self._history.untaught, len(self._order.rows(step)))
            for index in random.sample(stratum.rows, stratum.places)
        ]
        random.shuffle(drawn)
        return drawn


def selector_of(order: DataOrder, num_rows: int, training: TrainingConfig) -> PromptSelector:
    """What the job's prompt_selection says."""
    if training.prompt_selection is PromptSelection.UNIFORM:
        return PromptSelector(order)
    return HistorySelector(order, PromptHistory.of_no_step(num_rows), training.seed)
