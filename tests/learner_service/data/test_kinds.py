import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner_service.data.kinds import OTHER, kind_of, kinds_of


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many apples are in this image?", "apples"),
        ("Count the apples in the picture", "apples"),
        ("How many oranges do you see?", "oranges"),
        ("Count the number of cars", "cars"),
        ("Please count how many red traffic lights there are.", "red traffic lights"),
        ("What is the total number of ice-cream cones shown in the photo?", "ice-cream cones"),
        ("How many objects?", OTHER),
        ("HOW MANY Dogs", "dogs"),
        ("3 + 4 = ?", OTHER),
        ("圖片中有幾個蘋果？", "蘋果"),
        ("這張圖裡有多少隻貓？", "貓"),
        ("請問有幾輛汽車在路上？", "汽車"),
        ("How many 蘋果?", "蘋果"),
        ("", OTHER),
    ],
)
def test_the_objects_are_found(question: str, kind: str):
    assert kind_of(question) == kind


def test_singular_and_plural_are_one_kind():
    questions = ["Is there any apple?", "How many apples?", "Count each box", "boxes", "cherries"]
    assert kinds_of(questions)[:2] == ["apples", "apples"]
    assert kinds_of(["a berry", "many berries"]) == ["berries", "berries"]


def test_beyond_thirty_kinds_the_rest_is_other():
    names = [f"thing{chr(97 + n // 26)}{chr(97 + n % 26)}x" for n in range(40)]
    kinds = kinds_of([f"How many {name}?" for name in names for _ in range(2)])
    assert len(set(kinds)) == 31
    assert kinds.count(OTHER) == 20


@given(st.text(max_size=300))
def test_any_text_has_a_kind(text: str):
    assert 0 < len(kind_of(text)) <= 40


def test_what_stands_far_behind_the_beginning_is_not_read():
    assert kind_of("How many? " + " " * 480 + "apples") == "apples"
    assert kind_of("How many? " + " " * 500 + "apples") == OTHER
