"""Turns: so many at once, and whoever has had least goes first."""

import asyncio

import pytest

from gateway.turns import Turns


async def taking(turns: Turns, had: float, order: list[float], gate: asyncio.Event) -> None:
    async with turns.take(had):
        order.append(had)
        await gate.wait()


async def test_who_has_had_least_goes_first():
    turns, gate, order = Turns(1), asyncio.Event(), []
    tasks = [asyncio.create_task(taking(turns, had, order, gate)) for had in (9, 5, 0, 7, 0.5)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert order == [9, 0, 0.5, 5, 7]


async def test_no_more_than_so_many_have_a_turn():
    turns, gate, order = Turns(2), asyncio.Event(), []
    tasks = [asyncio.create_task(taking(turns, had, order, gate)) for had in range(5)]
    await asyncio.sleep(0.01)
    assert order == [0, 1]
    gate.set()
    await asyncio.gather(*tasks)
    assert sorted(order) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("after_its_turn_came", [False, True])
async def test_one_who_leaves_costs_nobody_a_turn(after_its_turn_came):
    turns, gate, order = Turns(1), asyncio.Event(), []
    first = asyncio.create_task(taking(turns, 0, order, gate))
    leaver = asyncio.create_task(taking(turns, 1, order, gate))
    await asyncio.sleep(0)
    if after_its_turn_came:
        gate.set()
        await first  # which hands the turn to the leaver before that one runs again
    leaver.cancel()
    gate.set()
    await asyncio.gather(first, leaver, return_exceptions=True)
    await asyncio.wait_for(taking(turns, 2, order, gate), 10)
    assert order[-1] == 2


async def test_one_who_fails_hands_its_turn_on():
    turns = Turns(1)
    with pytest.raises(ValueError, match="bad"):
        async with turns.take(0):
            raise ValueError("bad")
    async with turns.take(0):
        pass
