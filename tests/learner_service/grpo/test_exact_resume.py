"""A job that goes on from a checkpoint does bit for bit what it would have done without a stop."""

from pathlib import Path

import pytest

from tests.learner_service.training import Training, training

_CUT_AT, _STEPS = 4, 7


def asked_with(running: Training) -> dict[int, str]:
    """The adapter of each group, by the group's seed."""
    return {r.sampling.seed: r.adapter_digest for r in running.rollouts.requests}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lora_dropout": 0.2},
        {"beta": 0.1, "lora_dropout": 0.2},
        {"zero_variance_groups": "refill", "refill_rounds": 2},
        {"gradient_accumulation_steps": 3, "batch_size": 1, "advantage_scale": "batch"},
        {"staleness": 1, "corrected": True},
        {"staleness": 2, "corrected": True, "lora_dropout": 0.2},
        {"prompt_selection": "by_history", "lora_dropout": 0.2},
        {"prompt_selection": "by_history", "staleness": 2, "zero_variance_groups": "refill"},
        {"first_completions": 2, "num_generations": 4, "lora_dropout": 0.2},
        {"first_completions": 2, "staleness": 2, "corrected": True}
        | {"prompt_selection": "by_history", "zero_variance_groups": "refill"},
        {"estimator": "exact_counts", "outside_mass_bound": 1.0, "short_answers": True},
        {"estimator": "exact_counts", "lora_dropout": 0.2, "beta": 0.1, "short_answers": True},
    ],
    ids=[
        "plain",
        "dropout",
        "beta",
        "refill",
        "accumulation",
        "staleness 1",
        "staleness 2",
        "by history",
        "by history, ahead and refilled",
        "first completions",
        "first completions by history, ahead and refilled",
        "exact counts",
        "exact counts and samples",
    ],
)
def test_bit_for_bit(random_policy_path: Path, tmp_path: Path, changes: dict):
    changes = {"max_steps": _STEPS, "save_steps": _CUT_AT} | changes
    with training(random_policy_path, tmp_path / "whole", **changes) as whole:
        whole.trainer.train()
    checkpoint = tmp_path / "whole" / "checkpoints" / f"checkpoint-{_CUT_AT}"
    with training(random_policy_path, tmp_path / "resumed", **changes) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    assert [step.step for step in resumed.steps] == list(range(_CUT_AT + 1, _STEPS + 1))
    assert resumed.adapter_digest == whole.adapter_digest
    assert asked_with(resumed).items() <= asked_with(whole).items()
    last = [run.steps[-1].metrics for run in (whole, resumed)]
    assert last[0].loss == last[1].loss
    assert last[0].staleness_mean == last[1].staleness_mean == changes.get("staleness", 0)


@pytest.mark.parametrize("steps", [6, 7], ids=["an epoch's last step", "one in its middle"])
def test_from_its_last_step_nothing_is_left_to_do(
    random_policy_path: Path, tmp_path: Path, steps: int
):
    changes = {"max_steps": steps, "save_steps": steps}
    with training(random_policy_path, tmp_path / "whole", **changes) as whole:
        whole.trainer.train()
    checkpoint = tmp_path / "whole" / "checkpoints" / f"checkpoint-{steps}"
    with training(random_policy_path, tmp_path / "resumed", **changes) as resumed:
        assert resumed.trainer.train(str(checkpoint)).global_step == steps
    assert resumed.steps == resumed.rollouts.requests == []
    assert resumed.adapter_digest == whole.adapter_digest
