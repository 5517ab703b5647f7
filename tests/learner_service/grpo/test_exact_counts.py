"""The exact gradient: numbers by hand, and all that a table may say gone through one by one."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.exactness import draw_groups, load_with_peft, relative_difference, single_logps
from learner_service.clients.rollouts import Completion
from learner_service.grpo.exact_counts import measure_set, weigh
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.groups import ScoredGroup
from learner_service.grpo.losses.loss import LossScale, Size
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.set_passes import SetPasses
from learner_service.grpo.step import StepLearner
from learner_service.grpo.written_sets import OutsideAnswers, WrittenSet
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from tally.job.choices import AdvantageScale, LossType
from tally.job.settings import TrainingConfig
from tests.fakes.table_policy import END, MOST_TOKENS, TablePolicy, all_answers, reward_of

G = 2
SET = [(END,), (0, END)]
GREEDY_TOKENS = 2


def test_numbers_by_hand():
    logps = torch.tensor([0.5, 0.3]).log()
    found = measure_set(logps, torch.tensor([1.0, 0.2]), AdvantageScale.GROUP)
    # Within the set 5/8 and 3/8: 0.7 is expected, and 0.15 the variance.
    assert found.expected_reward.item() == pytest.approx(0.7)
    assert found.divisor.item() == pytest.approx(math.sqrt(0.15) + 1e-4)
    deviation = math.sqrt(0.15) + 1e-4
    assert found.advantages.tolist() == pytest.approx([0.3 / deviation, -0.5 / deviation])
    assert found.probabilities.tolist() == pytest.approx([0.5, 0.3])
    assert found.outside_mass.item() == pytest.approx(0.2)
    outside = found.advantages_of(torch.tensor([0.0]))
    assert outside.item() == pytest.approx(-0.7 / deviation)


def test_answers_of_one_reward_teach_nothing():
    found = measure_set(torch.randn(7), torch.full((7,), 0.1), AdvantageScale.GROUP)
    assert not found.advantages.any()


def test_a_set_that_is_hardly_ever_said_is_measured():
    found = measure_set(
        torch.tensor([-900.0, -901.0]), torch.tensor([1.0, 0.0]), AdvantageScale.NONE
    )
    assert found.expected_reward.item() == pytest.approx(1 / (1 + math.exp(-1)))
    assert found.outside_mass.item() == 1


def test_samples_beside_a_set_count_one_each():
    logps = torch.tensor([0.5, 0.25, 0.1, 0.2, 0.3]).log()
    given = torch.tensor([0.0, 0.0, 1.0, -0.5, -0.5])
    rewards = [torch.tensor([1.0, 0.0]), None]
    weighed = weigh(logps, given, rewards, [2, 3], num_generations=8, scale=AdvantageScale.NONE)
    assert weighed.weights.tolist() == pytest.approx([4.0, 2.0, 1.0, 1.0, 1.0])
    assert weighed.advantages.tolist() == pytest.approx([1 / 3, -2 / 3, 1.0, -0.5, -0.5])
    assert weighed.sets[1] is None


class Drawn:
    """Rollouts that give what they are told to, of which the written answers are left out."""

    def __init__(self, drawn: Sequence[tuple[int, ...]]) -> None:
        self._drawn = drawn
        self.asked = 0

    def sample_outside(self, groups: Sequence[ScoredGroup]) -> list[OutsideAnswers]:
        self.asked += len(groups)
        outside = [ids for ids in self._drawn if ids not in SET]
        completions = [
            Completion(token_ids=ids, log_probabilities=(-1.0,) * len(ids), adapter_digest="")
            for ids in outside
        ]
        answers = OutsideAnswers(completions=completions, rewards=[*map(reward_of, outside)])
        return [answers for _ in groups]


def scored(answers: Sequence[tuple[int, ...]]) -> ScoredGroup:
    group: Any = SimpleNamespace(
        group=Group(
            prompt_ids=[9],
            position_ids=torch.zeros(3, 1).long(),
            completions=answers,
            sampler_logps=[[math.nan] * len(ids) for ids in answers],
        ),
        image_digest="a" * 64,
        written=WrittenSet(rewards=tuple(map(reward_of, answers)), stands_for=G, seed=1),
        stands_for=G,
        num_tokens=G * GREEDY_TOKENS,
    )
    return group


def learn(
    policy: TablePolicy,
    answers: Sequence[tuple[int, ...]],
    drawn: Sequence[tuple[int, ...]] = (),
    **changes: Any,
) -> Tensor:
    """The gradient of a step of one prompt, as a job's."""
    training = TrainingConfig(
        **{
            "estimator": "exact_counts",
            "advantage_scale": "none",
            "num_generations": G,
            "temperature": 1.0,
            "outside_mass_bound": 0.0 if drawn else 1.0,
        }
        | changes
    )
    learner: Any = StepLearner(policy, lambda digests: [], training)  # type: ignore[arg-type]
    scale = LossScale(step_tokens=G * MOST_TOKENS, forward_passes=1, max_new_tokens=MOST_TOKENS)
    passes: Any = SetPasses(Drawn(drawn), training, scale)  # type: ignore[arg-type]
    policy.model.adapter.grad = None
    learner.learn(passes.forward_pass([scored(answers)], dropout_seed=3))
    learner.finish(LOSSES[training.loss_type].share_of_step(G * GREEDY_TOKENS, scale))
    gradient: Tensor = policy.model.adapter.grad
    return gradient


def share_of(loss_type: str, answer: Sequence[int]) -> float:
    """What a completion's tokens are divided by: that of a sample of `sampled`."""
    if loss_type == "dr_grpo":
        return MOST_TOKENS
    return len(answer) if loss_type in ("grpo", "gspo") else GREEDY_TOKENS


def expected_gradient(
    policy: TablePolicy,
    answers: Sequence[tuple[int, ...]],
    baseline: float,
    loss_type: str,
    divisor: float = 1.0,
) -> Tensor:
    """That of `sampled`, -∇ log π(a) · (reward - baseline), over each answer by its probability."""
    total = torch.zeros_like(policy.model.adapter)
    for answer in answers:
        logp = policy.logps_of(answer).sum()
        advantage = (reward_of(answer) - baseline) / divisor
        total -= (
            policy.gradient(logp) * logp.exp().detach() * advantage / share_of(loss_type, answer)
        )
    return total


def baseline_of(policy: TablePolicy, answers: Sequence[tuple[int, ...]]) -> float:
    probabilities = torch.stack([policy.logps_of(a).sum().exp() for a in answers]).detach()
    rewards = torch.tensor([*map(reward_of, answers)]).double()
    return ((probabilities @ rewards) / probabilities.sum()).item()


@pytest.mark.parametrize("loss_type", list(LossType))
def test_over_all_that_may_be_said_it_is_the_mean_of_the_sampled_gradient(loss_type: LossType):
    policy = TablePolicy()
    gradient = learn(policy, all_answers(), loss_type=loss_type)
    baseline = baseline_of(policy, all_answers())
    expected = expected_gradient(policy, all_answers(), baseline, loss_type)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("loss_type", ["bnpo", "dr_grpo", "dapo"])
def test_it_is_the_gradient_of_the_expected_reward(loss_type: str):
    policy = TablePolicy()
    gradient = learn(policy, all_answers(), loss_type=loss_type)
    value = sum(policy.logps_of(a).sum().exp() * reward_of(a) for a in all_answers())
    torch.testing.assert_close(
        gradient, -policy.gradient(value) / share_of(loss_type, ()), rtol=0, atol=1e-7
    )


def test_without_what_lies_outside_it_is_that_of_the_reward_within_the_set():
    policy = TablePolicy()
    gradient = learn(policy, SET, loss_type="dr_grpo")
    probabilities = [policy.logps_of(a).sum().exp() for a in SET]
    mass = sum(probabilities)
    within = sum(p * reward_of(a) for p, a in zip(probabilities, SET, strict=True)) / mass
    expected = -policy.gradient(within) * mass.detach() / MOST_TOKENS
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("loss_type", "scale"), [*((one, "none") for one in LossType), (LossType.DAPO, "group")]
)
def test_over_all_that_may_be_drawn_the_remainder_is_unbiased(loss_type: LossType, scale: str):
    """Every pair of samples, by its probability, through the code of a job."""
    policy = TablePolicy()
    total = torch.zeros_like(policy.model.adapter)
    for drawn in product(all_answers(), repeat=G):
        probability = math.prod(policy.logps_of(a).sum().exp().item() for a in drawn)
        total += probability * learn(policy, SET, drawn, loss_type=loss_type, advantage_scale=scale)
    baseline = baseline_of(policy, SET)
    logps = torch.stack([policy.logps_of(a).sum() for a in SET]).detach()
    found = measure_set(logps, torch.tensor([*map(reward_of, SET)]), AdvantageScale(scale))
    expected = expected_gradient(policy, all_answers(), baseline, loss_type, found.divisor.item())
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-6)
    if scale == "none" and loss_type in {"bnpo", "dr_grpo", "dapo"}:
        value = sum(policy.logps_of(a).sum().exp() * reward_of(a) for a in all_answers())
        whole = -policy.gradient(value) / share_of(loss_type, ())
        torch.testing.assert_close(total, whole, rtol=0, atol=1e-6)


def test_group_means_of_samples_agree_up_to_what_their_own_mean_takes():
    """GRPO centres on a mean that holds each sample itself: (G - 1) / G of the exact gradient."""
    policy = TablePolicy()
    total = torch.zeros_like(policy.model.adapter)
    for drawn in product(all_answers(), repeat=G):
        logps = [policy.logps_of(a).sum() for a in drawn]
        rewards = [reward_of(a) for a in drawn]
        mean = sum(rewards) / G
        surrogate = sum(p * (r - mean) for p, r in zip(logps, rewards, strict=True)) / G
        total -= policy.gradient(surrogate) * math.exp(sum(logp.item() for logp in logps))
    exact = learn(policy, all_answers(), loss_type="dr_grpo") * MOST_TOKENS
    torch.testing.assert_close(total, exact * (G - 1) / G, rtol=0, atol=1e-6)


def test_the_penalty_is_that_of_each_answer_by_its_probability():
    policy, beta = TablePolicy(), 0.3
    gradient = learn(policy, SET, loss_type="dr_grpo", beta=beta)
    expected = learn(policy, SET, loss_type="dr_grpo").clone()
    for answer in SET:
        logps = policy.logps_of(answer)
        with policy.model.disable_adapter():
            reference = policy.logps_of(answer)
        probability = logps.sum().exp().detach()
        # The gradient of the divergence from the reference at every token of the answer.
        pulled = ((logps - reference).detach() * logps).sum()
        expected += beta * probability * policy.gradient(pulled) / MOST_TOKENS
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-7)


def test_nothing_is_sampled_below_the_bound():
    policy = TablePolicy()
    training = TrainingConfig(estimator="exact_counts", temperature=1.0, outside_mass_bound=0.5)
    scale = LossScale(step_tokens=8, forward_passes=1, max_new_tokens=MOST_TOKENS)
    for answers, asked in ((all_answers(), 0), (SET[:1], 1)):
        drawn: Any = Drawn(())
        learner: Any = StepLearner(policy, lambda digests: [], training)  # type: ignore[arg-type]
        learner.learn(SetPasses(drawn, training, scale).forward_pass([scored(answers)], 3))
        step = learner.finish()
        assert drawn.asked == asked
        assert (step.set_means["outside_mass_mean"] > 0.5) == bool(asked)
        assert math.isnan(step.token_means["log_probability_gap"])


def test_on_a_model_it_is_that_of_one_answer_at_a_time(
    policy: Policy, random_policy_path, tmp_path
):
    """Packed, with our own LoRA and head, beside PEFT and transformers and autograd alone."""
    model = load_with_peft(policy, random_policy_path, tmp_path)
    groups, images = draw_groups(policy)
    answers = [[count] for count in range(40, 50)] + [[51, count] for count in range(40, 43)]
    groups = [replace(group, completions=answers, sampler_logps=answers) for group in groups]
    rewards = [torch.rand(len(answers)) for _ in groups]
    training = TrainingConfig(
        estimator="exact_counts", temperature=0.7, loss_type="dr_grpo", max_new_tokens=2
    )
    features = policy.features(list("012"), lambda number: images[int(number)])
    learner = StepLearner(policy, lambda digests: features, training)
    generations = training.num_generations
    kept = Size(completions=len(groups) * len(answers), tokens=0)
    whole = Size(completions=len(groups) * generations, tokens=0)
    learner.learn(
        ForwardPass(
            groups=groups,
            image_digests=list("012"),
            advantages=torch.zeros(len(groups) * len(answers)),
            scale=LossScale(step_tokens=1, forward_passes=1, max_new_tokens=2),
            share=LOSSES[LossType.DR_GRPO].share_of_pass(kept, whole),
            set_rewards=rewards,
        )
    )
    learner.finish()
    packed = torch.cat([parameter.grad.flatten() for parameter in learner.parameters])
    logps = single_logps(policy, model, groups, images).split([len(a) for a in answers] * 3)
    logps = torch.stack([one.sum() for one in logps]).double().view(len(groups), -1)
    sets = [measure_set(*one, AdvantageScale.GROUP) for one in zip(logps, rewards, strict=True)]
    value = sum(
        (of_group.exp() * found.advantages).sum()
        for of_group, found in zip(logps, sets, strict=True)
    )
    (-value / len(groups) / 2).backward()
    single = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert single.norm() > 1e-4
    assert (packed - single).abs().max() < 1e-6
    assert relative_difference(packed, single) < 1e-4
