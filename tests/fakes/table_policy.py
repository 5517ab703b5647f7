"""A policy of a table: every next token's logit by the tokens before it, in float64.

Small enough that all it may say can be gone through, one by one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import torch
from torch import Tensor

from learner_service.policy.packing import PackedGroups
from learner_service.policy.token_logps import TokenLogps

END = 2
_BEFORE_END = (0, 1)
MOST_TOKENS = 2


def all_answers() -> list[tuple[int, ...]]:
    """Everything that two tokens may say: ended, or cut off."""
    shorter = [(*ids, END) for n in range(MOST_TOKENS) for ids in product(_BEFORE_END, repeat=n)]
    return [*shorter, *product(_BEFORE_END, repeat=MOST_TOKENS)]


class _Table(torch.nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        beginnings = [ids for n in range(MOST_TOKENS) for ids in product(_BEFORE_END, repeat=n)]
        self.places = {ids: place for place, ids in enumerate(beginnings)}
        shape = (2, len(beginnings), 3)
        logits = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.adapter = torch.nn.Parameter(logits[0])
        self.base = logits[1]
        self.is_adapted = True

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        self.is_adapted = False
        yield
        self.is_adapted = True


class TablePolicy:
    """What a StepLearner asks of a Policy; prompts say nothing."""

    def __init__(self, seed: int = 5) -> None:
        self.model = _Table(seed)
        self.device = torch.device("cpu")
        self.hidden_size = 1
        self.is_sharded = False

    def logps_of(self, answer: Sequence[int]) -> Tensor:
        """[T], one by one."""
        table = self.model.adapter if self.model.is_adapted else self.model.base
        rows = [self.model.places[tuple(answer[:n])] for n in range(len(answer))]
        return table[rows].log_softmax(-1)[torch.arange(len(answer)), list(answer)]

    def log_probabilities(
        self, packed: PackedGroups, features: Sequence[Tensor], temperature: float
    ) -> TokenLogps:
        lengths = packed.completion_mask.sum(dim=1).tolist()
        answers = [
            ids[:length] for ids, length in zip(packed.target_ids.tolist(), lengths, strict=True)
        ]
        rows = [self.logps_of(answer) for answer in answers]
        logps = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return TokenLogps(logps=logps, entropies=torch.zeros_like(logps))

    def join(self, *, forward_passes: int) -> None:
        """It is whole."""

    def gradient(self, value: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(value, self.model.adapter)
        return gradient


def reward_of(answer: Sequence[int]) -> float:
    """Of all that may be said no two are worth the same."""
    return sum((token + 1) / 3**place for place, token in enumerate(answer)) / 5
