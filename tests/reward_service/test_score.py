import pytest

from reward_service.rewards import REWARDS
from reward_service.score import DEFAULT_REWARDS, Answer, WeightedReward, score_answer


def scored(text: str, true_count: int, **weights: float):
    rewards = [WeightedReward(reward=REWARDS[name], weight=w) for name, w in weights.items()]
    return score_answer(Answer(text=text, true_count=true_count), rewards or DEFAULT_REWARDS)


@pytest.mark.parametrize(
    ("difference", "reward"),
    [(0, 1.0), (1, 0.85), (2, 0.7), (3, 0.4), (4, 0.3), (5, 0.2), (6, 0.0), (7, 0.0), (1000, 0.0)],
)
def test_progressive_count_is_the_documented_table(difference: int, reward: float):
    above = scored(f"A photo of {20 + difference} apples", 20)
    assert (above.difference, above.reward) == (difference, reward)
    below = scored("A photo of 5 apples", 5 + difference)
    assert (below.difference, below.reward) == (difference, reward)


@pytest.mark.parametrize("text", ["", "some apples", "2.5 apples", "3-5 apples", "3 or 4"])
def test_no_count_earns_nothing(text: str):
    answer = scored(text, 3, progressive_count=1.0, exact=1.0)
    assert (answer.difference, answer.reward) == (None, 0.0)
    assert answer.parsed_count.reason is not None


@pytest.mark.parametrize(("text", "value"), [("3", 1.0), ("three", 1.0), ("4", 0.0), ("", 0.0)])
def test_exact(text: str, value: float):
    assert scored(text, 3, exact=1.0).reward == value


def test_format_looks_at_the_form_and_not_at_the_count():
    assert scored("A photo of 9 apples", 3, format=1.0).reward == 1.0
    assert scored("9 apples", 9, format=1.0).reward == 0.0


def test_no_apples_where_there_are_none():
    answer = scored("A photo of no apples", 0)
    assert (answer.parsed_count.count, answer.difference, answer.reward) == (0, 0, 1.0)


def test_components_are_weighted_and_added_up_in_order():
    answer = scored("A photo of 4 apples", 3, progressive_count=2.0, exact=5.0, format=0.5)
    assert [(c.name, c.value, c.weight) for c in answer.components] == [
        ("progressive_count", 0.85, 2.0),
        ("exact", 0.0, 5.0),
        ("format", 1.0, 0.5),
    ]
    assert answer.reward == pytest.approx(0.85 * 2.0 + 0.5)


def test_a_weight_may_be_negative_or_zero():
    answer = scored("A photo of 3 apples", 3, exact=-1.0, format=0.0)
    assert answer.reward == -1.0
    assert answer.components[1].value == 1.0
