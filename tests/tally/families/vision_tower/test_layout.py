"""Where patches stand, by hand."""

from hypothesis import given
from hypothesis import strategies as st

from tally.families.vision_tower.layout import lay_out


def test_windows_of_one_size_stand_side_by_side():
    """3 × 3 units of 2 × 2 patches in windows of 2 × 2 units: one whole, two halves, a corner."""
    layout = lay_out(6, 6, merge=2, window=4)
    assert layout.order.tolist() == [0, 1, 3, 4, 2, 5, 6, 7, 8]
    assert layout.windows == ((1, 16), (2, 8), (1, 4))
    assert layout.positions[:4].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert layout.positions[16:18].tolist() == [[0, 4], [0, 5]]


def test_without_windows_all_is_one():
    layout = lay_out(4, 6, merge=2, window=None)
    assert layout.order.tolist() == [0, 1, 2, 3, 4, 5]
    assert layout.windows == ((1, 24),)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([None, 4, 8]))
def test_every_patch_has_one_place(rows: int, columns: int, window: int | None):
    layout = lay_out(2 * rows, 2 * columns, merge=2, window=window)
    assert layout.order[layout.places].tolist() == list(range(rows * columns))
    assert sum(count * size for count, size in layout.windows) == 4 * rows * columns
    assert len({tuple(p) for p in layout.positions.tolist()}) == 4 * rows * columns
