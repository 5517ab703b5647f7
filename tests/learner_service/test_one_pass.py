"""When prompts are read once: jobs that may, and steps where it was measured to be faster."""

import pytest

from learner_service.one_pass import OnePass, ReadingOnce, may_read_once
from tally.job.settings import LoraConfig, TrainingConfig

WIDE = {"is_possible": True, "device": "cpu", "use_4bit": False, "hidden_size": 1024}


def may(dropout: float = 0.0, **changes: object) -> bool:
    training = TrainingConfig(**{"gradient_accumulation_steps": 1} | changes)
    return may_read_once(training, LoraConfig(lora_dropout=dropout))


def test_a_job_may_whose_sampling_and_learning_are_one_pass():
    assert may()
    assert may(beta=0.1, batch_size=4)
    assert not may(dropout=0.05)
    assert not may(staleness=1)
    assert not may(gradient_checkpointing=True)
    assert not may(gradient_accumulation_steps=2)
    assert not may(estimator="exact_counts")


@pytest.mark.parametrize(
    "changes", [{"device": "cuda"}, {"use_4bit": True}, {"hidden_size": 512}, {}]
)
def test_by_itself_where_it_was_measured_to_gain(changes: dict[str, object]):
    reading = ReadingOnce(choice=OnePass.AUTO, **WIDE | changes)
    assert reading.of_prompts([256, 300]) == (not changes)
    assert not reading.of_prompts([255, 300])


def test_an_operator_may_choose_but_not_for_a_job_that_may_not():
    always = ReadingOnce(choice=OnePass.ALWAYS, **WIDE | {"hidden_size": 128})
    assert always.of_prompts([1])
    assert not ReadingOnce(choice=OnePass.NEVER, **WIDE).of_prompts([1000])
    assert not ReadingOnce(choice=OnePass.ALWAYS, **WIDE | {"is_possible": False}).of_prompts([1])
