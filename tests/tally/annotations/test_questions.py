"""Counts as questions: what the parser reads of an answer is the count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_service.parse import parse_count
from tally.annotations.questions import CountedImage, QuestionLanguage, ask, plural

# Those of COCO, and of data sets that people make themselves.
KINDS = (
    """
person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign
parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella
handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove
skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple
sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed
dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink
refrigerator|book|clock|vase|scissors|teddy bear|hair drier|toothbrush|red_blood_cell|coins
Person|class 2|7-seater|dozen eggs|pair of shoes|no entry sign|one way sign|hundred dollar bill
meter|day|at least|number 9|half dome|OR gate|蘋果|貓|人|汽車|硬幣|藥丸|細胞|葉子|螺絲|一串葡萄
七號球|沒有|號|個|半|對|十字鎬|零件|三明治|雙人床|百合
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
LANGUAGES = list(QuestionLanguage)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_is_read_as_its_count(language: QuestionLanguage):
    for kind in KINDS:
        for count in (0, 1, 2, 3, 12, 250):
            answer = ask(CountedImage("a.jpg", kind, count), language).answer
            assert parse_count(answer).count == count, answer


@given(
    st.lists(st.sampled_from(" ".join(KINDS).split()), min_size=1, max_size=3).map(" ".join),
    st.integers(0, 999),
    st.sampled_from(LANGUAGES),
)
def test_no_name_of_a_kind_changes_a_count(kind: str, count: int, language: QuestionLanguage):
    answer = ask(CountedImage("a.jpg", kind, count), language).answer
    assert parse_count(answer).count == count, answer


def test_questions_are_asked_in_different_ways_and_the_same_each_time():
    for language in LANGUAGES:
        asked = [ask(CountedImage(f"{n}.jpg", "apple", n), language) for n in range(40)]
        assert len({one.question for one in asked}) == 4
        assert asked == [ask(CountedImage(f"{n}.jpg", "apple", n), language) for n in range(40)]


@pytest.mark.parametrize(
    ("one", "many"),
    [("apple", "apples"), ("bus", "buses"), ("bench", "benches"), ("berry", "berries"),
     ("toy", "toys"), ("person", "people"), ("wine glass", "wine glasses"), ("cars", "cars"),
     ("sheep", "sheep"), ("knife", "knives"), ("蘋果", "蘋果"), ("x9", "x9")],
)  # fmt: skip
def test_plurals(one: str, many: str):
    assert plural(one) == many
