"""Rows that begin alike are one row of the batch until they part."""

from collections.abc import Sequence

from tally.torch_engine.prefixes import Move, Prefixes

STOP = 0


def has_ended(tokens: Sequence[int]) -> bool:
    return tokens[-1] == STOP


def test_rows_of_a_prompt_begin_as_one():
    rows = Prefixes(2, 3, has_ended)
    assert rows.places == [0, 0, 0, 1, 1, 1]


def test_rows_that_sample_the_same_stay_one():
    rows = Prefixes(2, 3, has_ended)
    rows.add([5, 5, 5, 7, 7, 7])
    assert rows.advance() == ([5, 7], None)
    assert rows.places == [0, 0, 0, 1, 1, 1]


def test_rows_part_with_their_tokens():
    rows = Prefixes(2, 3, has_ended)
    rows.add([5, 6, 5, 7, 7, 7])
    tokens, move = rows.advance()
    assert (tokens, move) == ([5, 6, 7, 7], Move(prompts=[0, 1], places=[[0, 0], [0, 0]]))
    assert rows.places == [0, 1, 0, 2, 2, 2]
    rows.add([8, 8, 9, 7, 7, 7])
    tokens, move = rows.advance()
    assert tokens == [8, 8, 9, 7, 7, 7]
    assert move == Move(prompts=[0, 1], places=[[0, 1, 0], [0, 0, 0]])
    assert rows.places == [0, 1, 2, 3, 3, 3]


def test_a_prompt_whose_rows_have_ended_is_dropped():
    rows = Prefixes(2, 2, has_ended)
    rows.add([STOP, STOP, 3, 3])
    assert rows.advance() == ([3], Move(prompts=[1], places=[[0]]))
    assert rows.places == [0, 0]
    rows.add([4, STOP])
    assert rows.tokens == [[STOP], [STOP], [3, 4], [3, STOP]]
    assert rows.going == [2]


def test_places_that_are_idle_stay_until_they_are_many():
    rows = Prefixes(1, 6, has_ended)
    rows.add([1, 2, 3, 4, 5, 6])
    rows.advance()
    rows.add([7, STOP, 7, 7, 7, 7])
    assert rows.advance() == ([7, 0, 7, 7, 7, 7], None)
    rows.add([8, STOP, 8, 8, 8])
    assert rows.advance() == ([8, 8, 8, 8], Move(prompts=[0], places=[[0, 3, 4, 5]]))
    assert rows.places == [0, 1, 2, 3]


def test_a_prompt_that_nobody_waits_for_ends():
    rows = Prefixes(2, 2, has_ended)
    rows.add([1, 1, 2, 2])
    rows.end(0)
    assert rows.advance() == ([2], Move(prompts=[1], places=[[0]]))
