"""What a step says of all rows where it asks some of them more often."""

from dataclasses import replace
from statistics import stdev

import pytest
import torch

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row
from learner_service.grpo.groups import PublishedAdapter, ScoredGroup
from learner_service.grpo.metrics import group_metrics
from learner_service.policy.packing import Group


def scored(counts: list[int], *, true: int, length: int) -> ScoredGroup:
    scores = tuple(
        Score(
            count=count,
            difference=abs(count - true),
            reward=float(count == true),
            components={"exact": float(count == true)},
            values={"exact": 2.0 * (count == true)},
        )
        for count in counts
    )
    return ScoredGroup(
        row=Row(
            number=0,
            question="?",
            true_count=true,
            image_digest="a" * 64,
            width=56,
            height=56,
        ),
        group=Group(
            prompt_ids=[1],
            position_ids=torch.zeros(0),
            completions=[[1] * length for _ in counts],
            sampler_logps=[],
        ),
        texts=tuple(map(str, counts)),
        adapter=PublishedAdapter(digest="b" * 64, step=0),
        scores=scores,
        first_scores=scores,
        refills=0,
        sampled_completions=len(counts),
        sampled_tokens=length * len(counts),
        asked_at=0.0,
        sampled_at=1.0,
        scored_at=2.0,
    )


TEACHES = scored([3, 5], true=3, length=2)
SOLVED = scored([4, 4], true=4, length=6)


def test_by_hand():
    # One of 4 rows taught lately; the other three are spoken for by one.
    measured = group_metrics([TEACHES, SOLVED], [0.25, 0.75], step=0)
    expected = {
        "reward_mean": 0.25 * 0.5 + 0.75,
        "exact_rate": 0.25 * 0.5 + 0.75,
        "zero_variance_group_rate": 0.75,
        "mean_absolute_count_error": 0.25 * 1,
        "median_absolute_count_error": 0,
        "completion_length_mean": 0.25 * 2 + 0.75 * 6,
    }
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert measured["reward_share_by_component"] == {"exact": pytest.approx(0.875)}
    assert measured["reward_mean_by_component"] == {"exact": pytest.approx(1.75)}
    # Rewards 1, 0, 1, 1 around 0.875, as often as 1, 1, 3, 3 of 8; of 4 samples one is the mean's.
    variance = (0.125**2 + 0.875**2 + 6 * 0.125**2) / 8
    assert measured["reward_std"] == pytest.approx((variance * 4 / 3) ** 0.5)


def test_equal_weights_are_none():
    groups = [TEACHES, SOLVED, scored([7, 1], true=3, length=3)]
    measured = group_metrics(groups, [1 / 3] * 3, step=0)
    rewards = [score.reward for group in groups for score in group.scores]
    assert measured["reward_mean"] == pytest.approx(sum(rewards) / 6)
    assert measured["reward_std"] == pytest.approx(stdev(rewards))
    assert measured["median_absolute_count_error"] == 1  # of 0, 0, 0, 2, 2, 4


def test_where_no_group_teaches_all_are_said_to_be_alike():
    measured = group_metrics([SOLVED] * 3, [0.1, 0.2, 0.7], step=0)
    assert measured["zero_variance_group_rate"] == 1


def test_what_refilled_a_row_says_nothing_of_it():
    refilled = replace(SOLVED, first_scores=TEACHES.first_scores, refills=1)
    measured = group_metrics([refilled, TEACHES], [0.5, 0.5], step=0)
    assert measured["reward_mean"] == 0.5
    assert measured["zero_variance_group_rate"] == 0
