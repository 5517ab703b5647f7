"""Sizes of pictures: what is fitted is never resized again, and what would be is refused."""

import pytest

from tally.families.grid import PatchGrid

GRID = PatchGrid(patch_pixels=14, merge_size=2, min_pixels=56 * 56, max_pixels=1024 * 1024)


@pytest.mark.parametrize("size", [(112, 112), (900, 610), (57, 333), (1000, 30), (9, 9), (4000, 3)])
@pytest.mark.parametrize("max_side_pixels", [112, 512, 2000])
def test_a_fitted_size_stays_as_it_is(size: tuple[int, int], max_side_pixels: int):
    fitted = GRID.fit(*size, max_side_pixels)
    GRID.check(*fitted)
    assert GRID.fit(*fitted, max(fitted)) == fitted


def test_tokens_and_patches_by_hand():
    """112 × 84 px: 8 × 6 patches, 4 × 3 tokens."""
    assert GRID.tokens(112, 84) == 12
    assert GRID.patches(112, 84) == (1, 6, 8)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((100, 112), "100x112 px; both sides must be multiples of 28"),
        ((28, 28), "28x28 px would be resized; expected 3136 to 1048576 pixels"),
        ((2800, 2800), "would be resized"),
        ((28, 28 * 201), "sides of at most 200 to 1"),
    ],
)
def test_what_a_processor_would_resize_is_refused(size: tuple[int, int], message: str):
    with pytest.raises(ValueError, match=message):
        GRID.check(*size)
