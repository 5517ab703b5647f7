"""Where a count stands in its text: another one that is written there is read instead."""

import pytest

from reward_service.parse import parse_count

PLACES = {
    "3": "3",
    "A photo of 3 apples": "3",
    "There are twelve.": "twelve",
    "I see 4, no, 5 cups": "5",
    "2 red and 3 blue, 5 in total": "5",
    "<answer> 7 </answer>": "7",
    "It is <b>3</b> cups": "3",
    "<think>4 or 5</think>\nA photo of 6 cups": "6",
    "1\u200b2 cats, \u200b12 in all": "1\u200b2",
    "\ufeff\ufeffA photo of \uff13 cups": "\uff13",
    "圖中有３顆蘋果": "３",
    "İ see 3 cups": "3",
    "3 apples. A photo of 4 apples": "4",
}
NO_PLACE = [
    "",
    "many",
    "A photo of an apple",
    "2 or 3",
    "about 5",
    "A photo of 3 cups. " + "1, " * 99,
]


@pytest.mark.parametrize(("text", "place"), PLACES.items(), ids=list(PLACES.values()))
def test_the_place_is_that_of_the_count(text: str, place: str):
    start, end = parse_count(text).span
    assert text[start:end] == place


@pytest.mark.parametrize("text", [text for text in PLACES if "total" not in text])
@pytest.mark.parametrize("count", [0, 1, 8, 17])
def test_what_is_written_there_is_read(text: str, count: int):
    start, end = parse_count(text).span
    if "in all" not in text:  # where it is said again
        assert parse_count(f"{text[:start]}{count}{text[end:]}").count == count


@pytest.mark.parametrize("text", NO_PLACE)
def test_without_a_count_or_a_place_of_its_own_there_is_none(text: str):
    assert parse_count(text).span is None
