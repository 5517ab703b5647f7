import pytest

from reward_service.documented_form import is_documented_form
from tests.reward_service import numerals


@pytest.mark.parametrize(
    "answer",
    [
        "A photo of 3 apples",
        "a photo of 3 red apples.",
        "A PHOTO OF TWENTY-ONE APPLES",
        " A photo of 1,234 grains of rice\n",
        "A photo of a dozen eggs",
        "A photo of no apples",
        "A photo of an apple",
        "A photo of 三 個蘋果",
        "A photo of 3個蘋果",
        numerals.full_width("A photo of 3 apples"),
    ],
)
def test_the_form(answer: str):
    assert is_documented_form(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "3",
        "3 apples",
        "A photo of 3",
        "A photo of 3.",
        "A photo of apples",
        "A photo of 2.5 apples",
        "A photo of 3-5 apples",
        "A photo of about 3 apples",
        "A photo of 3 apples and 4 oranges",
        "A photo of 3 apples. A photo of 4 apples.",
        "A photo of 3 apples. They are red.",
        "This is a photo of 3 apples",
        "A photo of 3 !!!",
        "A photo of\n\n\n\n\n3 apples",
        "A photo of a group of apples",
        "A picture of 3 apples",
        "A photo of 3 " + "very " * 100 + "red apples",
    ],
)
def test_not_the_form(answer: str):
    assert not is_documented_form(answer)
