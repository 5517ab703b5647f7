"""What dropout costs is said where nothing else makes two passes of a prompt."""

from pathlib import Path

import pytest

from learner_service.preflight.findings import Finding, step_plan
from learner_service.preflight.job_memory import JobMemory
from learner_service.preflight.memory import Prompts
from learner_service.preflight.reading_once import of_dropout
from learner_service.settings import LearnerSettings
from learner_service.spec import Training
from tally.job.settings import LoraConfig, TrainingConfig
from tally.rpc.settings import ClientSettings

ROWS, TOKENS = 60, 300


def found(
    path: Path, *, dropout: float = 0.05, target: str = "inside", **changes: object
) -> list[Finding]:
    """Of a job on a small model, with prompts of 300 tokens."""
    chosen = {"batch_size": 4, "gradient_accumulation_steps": 1, "use_4bit": False}
    config = TrainingConfig(**chosen | changes)
    training = Training(config=config, lora=LoraConfig(lora_dropout=dropout))
    settings = LearnerSettings(
        device="cpu", rollout=ClientSettings(target=target), one_pass="always"
    )
    prompts = Prompts(tokens=TOKENS, image_tokens=256, images=ROWS, largest_true_count=9)
    memory = JobMemory.of_model(str(path), training, lambda side_pixels: prompts, settings)
    return list(of_dropout(training, memory, step_plan(config, ROWS)))


def test_a_job_with_dropout_is_told_what_it_costs(random_policy_path: Path):
    [finding] = found(random_policy_path)
    assert finding.code == "prompts_read_twice"
    assert f"{4 * TOKENS} tokens more in every step" in str(finding.message)
    assert finding.suggestion == {"train.lora.lora_dropout": 0.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.0},
        {"target": "127.0.0.1:50052"},
        {"staleness": 1},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
    ],
    ids=["none", "a service samples", "staleness", "several passes", "checkpointing"],
)
def test_nothing_is_said_where_without_dropout_it_would_be_the_same(
    random_policy_path: Path, changes: dict
):
    assert found(random_policy_path, **changes) == []
