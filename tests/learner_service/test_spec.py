import pytest

from tally.job.settings import TrainingConfig


@pytest.mark.parametrize(
    ("correction", "staleness", "precision_differs", "corrected"),
    [
        ("auto", 0, False, False),
        ("auto", 1, False, True),
        ("auto", 0, True, True),
        ("off", 1, True, False),
        ("on", 0, False, True),
    ],
)
def test_when_losses_are_corrected(
    correction: str, staleness: int, precision_differs: bool, corrected: bool
):
    training = TrainingConfig(importance_correction=correction, staleness=staleness)
    assert training.is_corrected(precision_differs) is corrected
