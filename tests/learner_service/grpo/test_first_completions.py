"""Groups that end with their first completions: numbers by hand, and all that may be drawn gone
through one by one, by what a job does with it."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from learner_service.clients.rewards import Score
from learner_service.clients.rollouts import Completion, Prompt, Sampling
from learner_service.data.dataset import Row
from learner_service.grpo.advantages import group_advantages
from learner_service.grpo.first_completions import share_sampled, share_that_differs
from learner_service.grpo.group_sampler import GroupSampler
from learner_service.grpo.groups import PublishedAdapter, ScoredGroup
from learner_service.grpo.metrics import group_metrics
from learner_service.grpo.passes import StepPasses, WholeStep
from learner_service.grpo.rollouts_ahead import StepRollouts, StepShape
from learner_service.grpo.step import StepLearner
from learner_service.ranks import Ranks
from tally.job.choices import AdvantageScale, LossType
from tally.job.settings import TrainingConfig
from tests.fakes.table_policy import END, MOST_TOKENS, TablePolicy

G, FIRST = 4, 2
FIGURES = (
    "reward_mean",
    "completion_length_mean",
    "zero_variance_group_rate",
    "sampled_completions",
)
ROW = Row(number=0, question="?", true_count=1, image_digest="a" * 64, width=56, height=56)
ADAPTER = PublishedAdapter(digest="b" * 64, step=0)
# What may be said: its probability and its reward. Two earn the same; the last is of one token.
SAID = {
    (0, END): (0.4, 0.2),
    (1, END): (0.2, 0.2),
    (0, 0): (0.1, 1.0),
    (END,): (0.3, 0.5),
}


@pytest.mark.parametrize(
    ("rewards", "number", "share"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 0], 2, 7 / 28),
        ([1, 0, 0, 0, 0, 0, 0, 0], 4, 1 / 2),
        ([1, 1, 1, 1, 0, 0, 0, 0], 2, 1 - 12 / 28),
        ([1, 1, 0.5, 0.5, 0, 0], 3, 1),
        ([1, 1, 1, 0.5, 0.2, 0.2], 2, 1 - 4 / 15),
        ([0.85] * 8, 2, 0),
    ],
)
def test_the_share_of_choices_that_differ_by_hand(rewards: list[float], number: int, share: float):
    assert share_that_differs(rewards, number) == pytest.approx(share)


def test_what_is_sampled_by_hand():
    # A quarter of the pairs have the 1: then six more of eight.
    assert share_sampled([1, 0, 0, 0, 0, 0, 0, 0], 2) == pytest.approx((2 + 6 / 4) / 8)
    assert share_sampled([0, 0, 0, 0], 3) == pytest.approx(3 / 4)
    assert share_sampled([0, 1, 0, 0], 0) == 1


@dataclass(frozen=True)
class Outcomes:
    """What may be drawn: probabilities, rewards, and gradients of the logarithm, one each."""

    weights: Sequence[int]
    rewards: Sequence[float]
    gradients: Sequence[float]


OUTCOMES = st.integers(2, 4).flatmap(
    lambda number: st.builds(
        Outcomes,
        st.lists(st.integers(1, 30), min_size=number, max_size=number),
        st.lists(st.sampled_from([0.0, 0.4, 1.0]), min_size=number, max_size=number),
        st.lists(st.floats(-3, 3), min_size=number, max_size=number),
    )
)
SIZES = st.sampled_from([(3, 2), (4, 2), (4, 3), (5, 2), (5, 4)])


@settings(max_examples=60)
@given(OUTCOMES, SIZES, st.sampled_from([AdvantageScale.GROUP, AdvantageScale.NONE]))
def test_whatever_may_be_drawn_the_gradient_is_expected_to_be_that_of_whole_groups(
    outcomes: Outcomes, sizes: tuple[int, int], scale: AdvantageScale
):
    size, number = sizes
    draws_N_G = torch.tensor([*product(range(len(outcomes.weights)), repeat=size)])
    weights = torch.tensor(outcomes.weights).double()
    probability_N = (weights / weights.sum())[draws_N_G].prod(dim=1)
    rewards_N_G = torch.tensor(outcomes.rewards).double()[draws_N_G]
    gradients_N_G = torch.tensor(outcomes.gradients).double()[draws_N_G]
    whole_N = (group_advantages(rewards_N_G, scale) * gradients_N_G).mean(dim=1)
    share_N = torch.tensor([share_that_differs(r, number) for r in rewards_N_G.tolist()]).double()
    differ_N = (rewards_N_G[:, :number] != rewards_N_G[:, :1]).any(dim=1)
    counted_N = torch.where(differ_N, whole_N / share_N, 0.0)
    assert (probability_N @ counted_N).item() == pytest.approx((probability_N @ whole_N).item())
    # No weight is above one over the share of a single answer that is unlike the others.
    varied_N = share_N[share_N > 0]
    assert not len(varied_N) or varied_N.min().item() >= number / size - 1e-9
    sampled_N = torch.tensor([share_sampled(r, number) for r in rewards_N_G.tolist()]).double()
    goes_on = (probability_N @ differ_N.double()).item()
    assert (probability_N @ sampled_N).item() * size == pytest.approx(
        number + (size - number) * goes_on
    )


@dataclass(frozen=True)
class TwoRewards:
    """The gradient of a prompt with two rewards, centred: by how many of `size` have the higher."""

    p: float
    size: int
    number: int = 0

    def mean(self, power: int, weighs: Callable[[float], float]) -> float:
        """Of the gradient to `power`, times what `weighs` says of the share that differs."""
        total = 0.0
        for n in range(1, self.size):
            probability = math.comb(self.size, n) * self.p**n * (1 - self.p) ** (self.size - n)
            rewards = [1.0] * n + [0.0] * (self.size - n)
            share = share_that_differs(rewards, self.number) if self.number else 1.0
            total += probability * (n * (self.size - n) / self.size**2) ** power * weighs(share)
        return total

    def noise(self, weight: Callable[[float], float]) -> float:
        second = self.mean(2, lambda share: share * weight(share) ** 2)
        return second / self.mean(1, lambda share: share * weight(share)) ** 2


@pytest.mark.parametrize(
    ("number", "p", "figures"),
    [
        (2, 0.01, (2.12, 3.84, 0.26, 3.94, 3.84)),
        (2, 0.2, (3.92, 2.37, 0.42, 2.55, 2.37)),
        (2, 0.5, (5.00, 1.93, 0.52, 1.97, 1.93)),
        (4, 0.01, (4.16, 1.93, 0.52, 1.98, 1.93)),
        (4, 0.2, (6.36, 1.29, 0.76, 1.39, 1.31)),
        (4, 0.5, (7.50, 1.10, 0.90, 1.12, 1.13)),
    ],
)
def test_the_figures_of_the_documents(number: int, p: float, figures: Sequence[float]):
    """docs/algorithm.md: completions, noise, what is left if groups count 1, and its noise; that of
    whole groups of `number`."""
    of_all = TwoRewards(p, 8).noise(lambda share: 1.0)
    first = TwoRewards(p, 8, number)
    goes_on = 1 - p**number - (1 - p) ** number
    assert [
        number + (8 - number) * goes_on,
        first.noise(lambda share: 1 / share) / of_all,
        first.mean(1, lambda share: share) / first.mean(1, lambda share: 1.0),
        first.noise(lambda share: 1.0) / of_all,
        TwoRewards(p, number).noise(lambda share: 1.0) / of_all,
    ] == pytest.approx(figures, abs=0.006)


class Drawn:
    """Rollouts, rewards and prompts of a job in which what is drawn is known before."""

    def __init__(self) -> None:
        self.said: Iterator[tuple[int, ...]] = iter(())
        self.asked: list[tuple[int, int]] = []  # seeds, and how many completions
        self.grid = None

    async def generate(
        self, prompts: Sequence[Prompt], adapter_digest: str, sampling: Sampling
    ) -> list[list[Completion]]:
        [prompt] = prompts
        self.asked.append((prompt.seed, sampling.num_completions))
        said = [next(self.said) for _ in range(sampling.num_completions)]
        return [
            [
                Completion(token_ids=ids, log_probabilities=(-1.0,) * len(ids), adapter_digest="")
                for ids in said
            ]
        ]

    async def score(
        self, texts: Sequence[str], true_counts: Sequence[int], rewards: object
    ) -> list[Score]:
        by_text = {str(ids): reward for ids, (_, reward) in SAID.items()}
        return [Score(count=1, difference=0, reward=by_text[text]) for text in texts]

    def prompt(self, row: Row, seed: int) -> Prompt:
        return Prompt(token_ids=(9,), image_digest=row.image_digest, seed=seed)

    def answer(self, completion: Completion) -> str:
        return str(completion.token_ids)

    def position_ids(self, prompt: Prompt, row: Row) -> Tensor:
        return torch.zeros(3, 1).long()


def config(**changes: object) -> TrainingConfig:
    fields = {
        "advantage_scale": "none",
        "loss_type": "dr_grpo",
        "batch_size": 1,
        "gradient_accumulation_steps": 1,
        "num_generations": G,
        "temperature": 1.0,
        "max_new_tokens": MOST_TOKENS,
    }
    return TrainingConfig(**fields | changes)


def sample_all(
    draws: Sequence[Sequence[tuple[int, ...]]], training: TrainingConfig
) -> list[ScoredGroup]:
    drawn: Any = Drawn()
    sampler = GroupSampler(
        stage=drawn, rollouts=drawn, rewards=drawn, training=training, reward_weights=()
    )

    async def sample() -> list[ScoredGroup]:
        groups = []
        for draw in draws:
            drawn.said = iter(draw)
            groups.append(await sampler.sample([ROW], ADAPTER, 7))
        return groups

    groups = asyncio.run(sample())
    assert set(drawn.asked) <= {(7, G), (7, FIRST), (7 + 2**47, G - FIRST)}
    return groups


def learn(group: ScoredGroup, training: TrainingConfig) -> tuple[Tensor, WholeStep]:
    """The gradient of a step of this group alone, as a job's; and the step."""
    policy: Any = TablePolicy()
    learner = StepLearner(policy, lambda digests: [], training)
    done: Future[ScoredGroup] = Future()
    done.set_result(group)
    nothing: Any = SimpleNamespace(
        wait=lambda future: future.result(), begin=lambda *places: None, end=lambda: None
    )
    shape = StepShape(row_weights=(1.0,), pass_sizes=(1,), dropout_seeds=(3,))
    rollouts = StepRollouts([[ROW]], [done], nothing, nothing, shape)
    passes = StepPasses(rollouts, training, nothing, Ranks.alone())
    for inputs in passes:
        learner.learn(inputs["forward_pass"])
    whole = passes.whole_step()
    learner.finish(whole.gradient_factor)
    gradient: Tensor = policy.model.adapter.grad
    return gradient, whole


def expect(
    training: TrainingConfig, said: Sequence[tuple[int, ...]] = tuple(SAID)
) -> tuple[Tensor, dict[str, float]]:
    """The expected gradient and figures of a step, over all that may be drawn from `said`."""
    draws = [*product(said, repeat=G)]
    total = sum(SAID[ids][0] for ids in said)
    gradient, figures = torch.zeros_like(TablePolicy().model.adapter), dict[str, float]()
    for draw, group in zip(draws, sample_all(draws, training), strict=True):
        probability = math.prod(SAID[ids][0] / total for ids in draw)
        learnt, whole = learn(group, training)
        gradient += probability * learnt
        measured = group_metrics(whole.groups, whole.weights, step=0)
        measured["sampled_completions"] = float(group.sampled_completions)
        for name in FIGURES:
            figures[name] = figures.get(name, 0.0) + probability * measured[name]
    return gradient.detach(), figures


@pytest.mark.parametrize(
    ("loss_type", "scale"),
    [
        (LossType.DR_GRPO, "none"),
        (LossType.GRPO, "group"),
        (LossType.GSPO, "none"),
        (LossType.DAPO, "group"),
        (LossType.BNPO, "none"),
    ],
)
def test_a_job_learns_what_it_would_from_whole_groups(loss_type: LossType, scale: str):
    # Where the number of tokens is what is divided by, it is to be the same for all.
    by_tokens = loss_type in (LossType.DAPO, LossType.BNPO)
    said = [ids for ids in SAID if len(ids) == MOST_TOKENS or not by_tokens]
    changes = {"loss_type": loss_type, "advantage_scale": scale}
    whole, _ = expect(config(**changes), said)
    first, _ = expect(config(first_completions=FIRST, **changes), said)
    assert whole.norm() > 1e-3
    torch.testing.assert_close(first, whole, rtol=1e-5, atol=1e-7)


def test_what_is_reported_is_of_all_that_may_be_drawn():
    _, figures = expect(config(first_completions=FIRST))
    alike = 0.6**2 + 0.1**2 + 0.3**2
    assert figures == pytest.approx(
        {
            "reward_mean": 0.6 * 0.2 + 0.1 * 1.0 + 0.3 * 0.5,
            "completion_length_mean": 0.7 * 2 + 0.3 * 1,
            "zero_variance_group_rate": alike,
            "sampled_completions": FIRST + (G - FIRST) * (1 - alike),
        }
    )


def test_the_spread_of_a_step_is_that_of_first_completions():
    draws = [[(0, END), (0, 0), (0, 0), (0, 0)]]
    training = config(first_completions=FIRST, advantage_scale="batch")
    batch, _ = learn(*sample_all(draws, training), training)
    unscaled = training.model_copy(update={"advantage_scale": AdvantageScale.NONE})
    plain, _ = learn(*sample_all(draws, unscaled), unscaled)
    deviation = math.sqrt((0.4**2 + 0.4**2) / 1)  # of 0.2 and 1
    torch.testing.assert_close(batch, plain / (deviation + 1e-4))


def test_a_row_that_refills_another_begins_with_its_own_first_completions():
    drawn: Any = Drawn()
    training = config(first_completions=FIRST, zero_variance_groups="refill", refill_rounds=2)
    sampler = GroupSampler(
        stage=drawn, rollouts=drawn, rewards=drawn, training=training, reward_weights=()
    )
    drawn.said = iter([(0, END), (1, END), (0, 0), (END,), (0, END), (0, 0)])
    group = asyncio.run(sampler.sample([ROW] * 3, ADAPTER, 7))
    assert drawn.asked == [(7, 2), (7 + 2**48, 2), (7 + 2**48 + 2**47, 2)]
    assert (group.refills, group.sampled_completions, len(group.texts)) == (1, 6, 4)
    assert [score.reward for score in group.first_scores] == [0.2, 0.2]
    assert not group.teaches
    # Of 1, 0.5, 0.2, 1 one pair of six is alike.
    assert group.weight == pytest.approx(6 / 5)
