from hypothesis import given
from hypothesis import strategies as st

from learner_service.grpo.data_order import DataOrder

SIZES = st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1)


def order_of(num_rows: int, batch_size: int, batches_per_step: int, seed: int) -> DataOrder:
    return DataOrder(
        num_rows=num_rows,
        batch_size=batch_size,
        batches_per_step=batches_per_step,
        seed=seed,
    )


@given(*SIZES)
def test_an_epoch_holds_every_sample_once(n: int, batch: int, batches: int, seed: int):
    order = order_of(n, batch, batches, seed)
    for epoch in (0, 3):
        first = epoch * order.steps_per_epoch
        steps = [order.rows(first + number) for number in range(order.steps_per_epoch)]
        assert sorted(index for rows in steps for index in rows) == list(range(n))
        for rows in steps:
            slots = order.slots(rows)
            assert [pair for of_pass in slots for pair in of_pass] == [
                (row, place) for place, row in enumerate(rows)
            ]
            assert len(slots) <= batches
            assert all(len(of_pass) <= batch for of_pass in slots)


@given(*SIZES, st.integers(0, 100))
def test_refills_are_from_outside_the_step(n: int, batch: int, batches: int, seed: int, step: int):
    order = order_of(n, batch, batches, seed)
    taken = order.rows(step)
    others = [order.others(step, taken, slot, 2) for slot in range(len(taken))]
    assert not {index for chosen in others for index in chosen} & set(taken)
    if n >= 3 * len(taken):
        assert len({index for chosen in others for index in chosen}) == 2 * len(taken)


def test_epochs_and_seeds_differ():
    order = order_of(20, 5, 4, 43)
    assert order.rows(0) == order.rows(0) != order.rows(1)
    assert order_of(20, 5, 4, 44).rows(0) != order.rows(0)
    assert len({order.seed(step, slot) for step in range(50) for slot in range(20)}) == 1000
