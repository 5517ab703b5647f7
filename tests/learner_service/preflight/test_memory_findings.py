"""What is said of a job's memory, and which settings are suggested."""

from dataclasses import replace

from learner_service.preflight.findings import Severity
from learner_service.preflight.memory import MemoryEstimate
from learner_service.preflight.memory_findings import of_memory
from tally.job.settings import TrainingConfig


def memory(training: TrainingConfig, device: str = "cuda") -> MemoryEstimate:
    """A gigabyte for each prompt of a batch, and ten of weights unless they are in 4 bits."""
    return MemoryEstimate(
        device=device,
        available_bytes=8 * 10**9,
        libraries_bytes=0,
        weights_bytes=0 if training.use_4bit else 10 * 10**9,
        adapter_bytes=0,
        caches_bytes=0,
        activations_bytes=training.batch_size * 10**9,
        loading_bytes=0,
    )


def test_the_nearest_settings_that_fit_the_memory():
    assert list(of_memory(TrainingConfig(batch_size=4), memory)) == []
    (tight,) = of_memory(TrainingConfig(batch_size=7), memory)
    assert (tight.code, tight.severity) == ("tight_memory", Severity.WARNING)
    (finding,) = of_memory(TrainingConfig(batch_size=16), memory)
    assert (finding.code, finding.severity) == ("not_enough_memory", Severity.ERROR)
    assert finding.suggestion == {
        "train.config.batch_size": 4,
        "train.config.gradient_accumulation_steps": 32,
    }


def test_what_processes_share_is_told_for_each():
    (finding,) = of_memory(
        TrainingConfig(batch_size=16), lambda training: replace(memory(training), processes=3)
    )
    assert finding.message.endswith("there are 8.0 GB for each of 3 processes")


def test_four_bits_are_the_first_way_on_a_card_and_the_last_on_a_cpu():
    training = TrainingConfig(use_4bit=False)
    on_card = next(of_memory(training, memory))
    on_cpu = next(of_memory(training, lambda t: memory(t, "cpu")))
    assert list(on_card.suggestion) == ["train.config.use_4bit"]
    assert list(on_cpu.suggestion) == [
        "train.config.gradient_checkpointing",
        "train.config.use_4bit",
    ]


def test_four_bits_on_a_cpu_are_said_to_save_memory_alone():
    (note,) = of_memory(TrainingConfig(), lambda t: memory(t, "cpu"))
    assert (note.code, note.severity) == ("four_bit_on_cpu", Severity.NOTE)
    assert "slower" in note.message
    assert "1.0 GB rather than 11.0 GB" in note.message
    assert note.suggestion == {}  # the whole of it would not fit
    assert list(of_memory(TrainingConfig(), memory)) == []
