import pytest

from tally.rpc.batches import batches


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], []),
        ([1, 1, 1], [[1, 1], [1]]),
        ([4, 4], [[4], [4]]),
        ([2, 3, 1], [[2, 3], [1]]),
        ([9, 1, 9], [[9], [1], [9]]),
        ([0, 0, 0, 0], [[0, 0], [0, 0]]),
    ],
)
def test_runs_fit_both_limits_and_keep_the_order(sizes: list[int], runs: list[list[int]]):
    assert list(batches(sizes, most=2, most_in_all=5, size=lambda item: item)) == runs
