"""A row with its completions and rewards; and what makes a prompt of a row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rewards import Score
from learner_service.clients.rollouts import Prompt
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.grpo.first_completions import FirstCompletions, share_that_differs
from learner_service.grpo.losses.loss import Size
from learner_service.grpo.written_sets import WrittenSet
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from tally.job.prompt_template import PLAIN, PromptTemplate


@dataclass(frozen=True, kw_only=True)
class PublishedAdapter:
    """What completions are sampled with; `step` counts the optimizer steps behind it."""

    digest: str
    step: int


@dataclass(frozen=True, kw_only=True)
class ScoredGroup:
    """A group as it was sampled and scored; times are those of time.monotonic().

    `first_scores` are those of the row that the step began with, `scores` those of the row that
    took its place after `refills` tries. Where some completions were sampled before the others
    `first` says how many, and `first_scores` are of these alone. With exact_counts `texts` and
    `scores` are of the greedy answer, and `group` holds what is in `written`; where that is None,
    `unwritten` says why.
    """

    row: Row
    group: Group
    texts: tuple[str, ...]
    adapter: PublishedAdapter
    scores: tuple[Score, ...]
    first_scores: tuple[Score, ...]
    refills: int
    sampled_completions: int  # of all tries
    sampled_tokens: int  # of all tries
    asked_at: float
    sampled_at: float
    scored_at: float
    first: FirstCompletions | None = None
    written: WrittenSet | None = None
    unwritten: str = ""

    @property
    def image_digest(self) -> str:
        return self.row.image_digest

    @property
    def rewards(self) -> list[float]:
        return [score.reward for score in self.scores]

    @property
    def has_variance(self) -> bool:
        return len(set(self.rewards)) > 1

    @property
    def weight(self) -> float:
        """What it counts for groups of the same rewards that ended with their first completions."""
        if self.first is None:
            return 1.0
        return 1 / share_that_differs(self.rewards, self.first.number)

    @property
    def stands_for(self) -> int:
        """How many samples."""
        if self.written:
            return self.written.stands_for
        return self.first.of if self.first else len(self.group.completions)

    @property
    def num_tokens(self) -> float:
        """Of the samples that it stands for."""
        return sum(self.answer_tokens) * self.stands_for / len(self.answer_tokens)

    @property
    def answer_tokens(self) -> list[int]:
        """Of each answer that the policy gave, whatever the rewards of others were; of a written
        set, of its greedy answer."""
        if self.written:
            return [self.sampled_tokens]
        number = self.first.number if self.first else None
        return [len(completion) for completion in self.group.completions[:number]]

    @property
    def first_rewards(self) -> set[float]:
        """The different ones, of a written set those of all counts."""
        if self.written:
            return set(self.written.rewards)
        return {score.reward for score in self.first_scores}

    @property
    def teaches(self) -> bool:
        """Whether the row that the step began with did: its rewards differ."""
        return len(self.first_rewards) > 1

    def to_report(self, start: float) -> "ScoredGroup":
        """What is said of it, without what is only learnt from; its times count from `start`.

        The clocks of different hosts have nothing in common.
        """
        return replace(
            self,
            group=replace(self.group, prompt_ids=[], position_ids=torch.zeros(0), sampler_logps=[]),
            asked_at=self.asked_at - start,
            sampled_at=self.sampled_at - start,
            scored_at=self.scored_at - start,
        )


def size_of(groups: Sequence[ScoredGroup]) -> Size:
    """What a loss divides by; what counts as the samples that it stands for has them as long as its
    answers are: a written set's greedy one, first completions."""
    return Size(
        completions=sum(group.stands_for for group in groups),
        tokens=sum(group.num_tokens for group in groups),
    )


def laid_size(groups: Sequence[Group]) -> Size:
    """Of what goes through the policy."""
    lengths = [len(completion) for group in groups for completion in group.completions]
    return Size(completions=len(lengths), tokens=sum(lengths))


class PromptStage(Prompter):
    """Turns rows into prompts, and opens their staged images."""

    def __init__(self, policy: Policy, store: BlobStore, template: PromptTemplate = PLAIN) -> None:
        super().__init__(
            policy.tokenizer,
            policy.image_token_id,
            policy.image_grid,
            policy.family.closing_text,
            template,
        )
        self._store = store
        self._policy = policy

    def position_ids(self, prompt: Prompt, row: Row) -> Tensor:
        return self._policy.position_ids(prompt.token_ids, self.grid.patches(row.width, row.height))

    def features(self, digests: Sequence[str]) -> list[Tensor]:
        """Vision features of staged images, one row a token; decoded only where not kept."""
        return self._policy.features(digests, self._open)

    def _open(self, digest: str) -> Image.Image:
        with Image.open(self._store.path(digest)) as image:
            return image.convert("RGB")
