import itertools

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


@pytest.mark.parametrize(
    ("true_count", "count", "value"),
    [
        (100, 100, 1.0),
        (100, 90, 1.4 / 1.5),
        (100, 110, 1.4 / 1.5),
        (100, 75, 1.25 / 1.5),
        (100, 149, 1.01 / 1.5),
        (100, 150, 0.0),
        (100, 50, 0.0),
        (100, 0, 0.0),
        (1000, 990, 1.49 / 1.5),
        (8, 6, 1.25 / 1.5),
        (3, 2, (1.5 - 1 / 3) / 1.5),
        # Up to 2 one off is half of it: as exact.
        (2, 2, 1.0),
        (2, 1, 0.0),
        (1, 2, 0.0),
        (0, 0, 1.0),
        (0, 1, 0.0),
    ],
)
def test_relative_count_is_one_and_a_half_less_the_relative_error(
    true_count: int, count: int, value: float
):
    assert scored(f"A photo of {count} people", true_count, relative_count=1.0).reward == (
        pytest.approx(value, abs=1e-12)
    )


def test_relative_count_falls_with_every_further_object_up_to_half_of_them():
    rewards = [scored(str(count), 400, relative_count=1.0).reward for count in range(200, 401)]
    assert rewards[0] == 0.0
    assert rewards[1] > 2 / 3
    assert all(lower < higher for lower, higher in itertools.pairwise(rewards))
    above = [scored(str(800 - count), 400, relative_count=1.0).reward for count in range(200, 401)]
    assert above == rewards


@pytest.mark.parametrize("text", ["", "a crowd", "about 400", "300-500"])
def test_relative_count_of_no_count_is_nothing(text: str):
    assert scored(text, 400, relative_count=1.0).reward == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "Two on the left, one on the right. <answer>3</answer>",
        "<think>2 and 1 make three.</think>\n<answer>A photo of 3 apples</answer>\n",
        "Two red and one green: \\boxed{3}",
        "So there are $\\boxed{3}$.",
        "I see them all. <answer>\\boxed{3}</answer>",
        "左邊兩個,右邊一個。<answer>三個</answer>",
        "LEFT 2, RIGHT 1 <ANSWER>3</ANSWER>",
    ],
)
def test_tagged_answer_is_progressive_count_where_reasoning_comes_first(text: str):
    assert [scored(text, true, tagged_answer=1.0).reward for true in (3, 4, 6, 9)] == [
        1.0,
        0.85,
        0.4,
        0.0,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A photo of 3 apples",
        "<answer>3</answer>",
        "\\boxed{3}",
        "<think></think><answer>3</answer>",
        "2 + 1 = <answer>3</answer>",
        "Two and one. <answer>3",
        "Two and one. \\boxed{3",
        "Two and one. <answer></answer>",
        "Two and one. <answer>2 or 3</answer>",
        "<answer>3</answer> since two and one make three",
        "Two <answer>2</answer>, then one: <answer>3</answer>",
        "First \\boxed{2}, then <answer>3</answer>",
        "Two and one make three.</think> 3",
    ],
)
def test_tagged_answer_of_another_form_is_nothing(text: str):
    assert scored(text, 3, tagged_answer=1.0).reward == 0.0


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
