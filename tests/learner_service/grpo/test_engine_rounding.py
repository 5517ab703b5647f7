"""Where the last bit of an engine's log-probabilities goes: into importance weights alone."""

from math import inf, nextafter
from pathlib import Path

import pytest

from tests.fakes.counting_rollouts import CountingRollouts
from tests.learner_service.training import training


def adapter_of(policy: Path, folder: Path, *, staleness: int, corrected: bool) -> str:
    with training(policy, folder, staleness=staleness, corrected=corrected) as run:
        run.trainer.train()
    return run.adapter_digest


def round_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an engine does that decodes a group among others than before."""
    complete = CountingRollouts._completion

    def complete_otherwise(self, *arguments):
        completion = complete(self, *arguments)
        otherwise = [nextafter(logp, -inf) * (1 + 1e-6) for logp in completion.log_probabilities]
        completion.log_probabilities[:] = otherwise
        return completion

    monkeypatch.setattr(CountingRollouts, "_completion", complete_otherwise)


@pytest.mark.parametrize(
    ("how", "same"),
    [
        ({"staleness": 0, "corrected": False}, True),
        ({"staleness": 1, "corrected": False}, True),
        ({"staleness": 1, "corrected": True}, False),
    ],
    ids=["on-policy", "one step ahead, not corrected", "one step ahead"],
)
def test_an_engine_that_rounds_otherwise(
    random_policy_path: Path, tmp_path: Path, monkeypatch, how: dict, same: bool
):
    before = adapter_of(random_policy_path, tmp_path / "before", **how)
    again = adapter_of(random_policy_path, tmp_path / "again", **how)
    round_otherwise(monkeypatch)
    otherwise = adapter_of(random_policy_path, tmp_path / "otherwise", **how)
    assert before == again
    assert (before == otherwise) is same
