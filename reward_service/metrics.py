"""What the reward service tells Prometheus."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from reward_service.parsed_count import NoCountReason, ParsedCount
from reward_service.score import ScoredAnswer
from tally.metrics.registry import new_registry

_SCORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class RewardMetrics:
    """Counted a request at a time."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self._answers = Counter(
            "tally_reward_answers",
            "Answers that were read for a count, those of uploads among them.",
            registry=self.registry,
        )
        self._without_count = Counter(
            "tally_reward_answers_without_count",
            "Of these, those that hold no count, by the reason.",
            ["reason"],
            registry=self.registry,
        )
        for reason in NoCountReason:
            self._without_count.labels(_word(reason))
        self._scored = Counter(
            "tally_reward_scored_answers",
            "Answers that were scored against a true count.",
            registry=self.registry,
        )
        self._exact = Counter(
            "tally_reward_exact_answers",
            "Of these, those with the true count.",
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tally_reward_score_seconds",
            "Seconds in which the answers of a request were read and scored.",
            buckets=_SCORE_SECONDS,
            registry=self.registry,
        )

    @contextmanager
    def time_score(self) -> Iterator[None]:
        with self._seconds.time():
            yield

    def note_parsed(self, parsed: Sequence[ParsedCount]) -> None:
        self._answers.inc(len(parsed))
        for reason, number in _reasons(parsed):
            self._without_count.labels(_word(reason)).inc(number)

    def note_scored(self, scored: Sequence[ScoredAnswer]) -> None:
        self.note_parsed([one.parsed_count for one in scored])
        self._scored.inc(len(scored))
        self._exact.inc(sum(one.difference == 0 for one in scored))


def _reasons(parsed: Iterable[ParsedCount]) -> Iterable[tuple[NoCountReason, int]]:
    return Tally(one.reason for one in parsed if one.reason).items()


def _word(reason: NoCountReason) -> str:
    return reason.name.lower()
