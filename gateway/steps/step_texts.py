"""What a job's log says of its steps, as JSON: a log only grows, so what was read is kept."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel


class StepText(NamedTuple):
    """What the event `seq` says of a step, as JSON; empty where that is nothing."""

    seq: int
    step: int
    text: bytes


class StepTexts(NamedTuple):
    """Texts by step, of the events up to `last_seq`; what is `settled`, by those up to
    `settled_seq`, stays as it is."""

    last_seq: int = 0
    settled_seq: int = 0
    settled: Mapping[int, bytes] = {}
    by_step: Mapping[int, bytes] = {}

    def go_on(self, last_seq: int, events: Sequence[StepText], changing: int = 0) -> Self:
        """With all events after `settled_seq`, of which the newest `changing` may still change."""
        settling = events[: max(0, len(events) - changing)]
        settled = {**self.settled, **_by_step(settling)}
        return self._replace(
            last_seq=last_seq,
            settled_seq=settling[-1].seq if settling else self.settled_seq,
            settled=settled,
            by_step={**settled, **_by_step(events[len(settling) :])},
        )

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.by_step.values()))


def _by_step(events: Iterable[StepText]) -> dict[int, bytes]:
    """Of a step that was done twice, its last run."""
    return {event.step: event.text for event in events if event.text}


def fill(empty: BaseModel, items: Iterable[bytes]) -> bytes:
    """JSON of `empty`, whose last field is a list, with these items in it, which are JSON.

    >>> class Page(BaseModel):
    ...     job_id: str
    ...     steps: list[int]
    >>> fill(Page(job_id="a", steps=[]), [b"1", b"2"])
    b'{"job_id":"a","steps":[1,2]}'
    """
    return empty.model_dump_json().encode().removesuffix(b"]}") + b",".join(items) + b"]}"
