"""What is said of a job's memory, and which settings are suggested."""

from dataclasses import replace

from learner_service.preflight.findings import Severity
from learner_service.preflight.memory import MemoryEstimate
from learner_service.preflight.memory_findings import of_memory, of_sharding
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
    assert str(finding.message).endswith("there are 8.0 GB for each of 3 processes")


def test_what_no_card_holds_is_said_to_take_more_of_them():
    """The ten gigabytes of weights are shared out, beside one for the prompt."""

    def in_parts(training: TrainingConfig) -> MemoryEstimate:
        whole = memory(training)
        return replace(whole, weights_bytes=whole.weights_bytes // (training.processes or 1))

    training = TrainingConfig(use_4bit=False, processes=1)
    (finding,) = of_memory(training, in_parts)
    assert str(finding.message).endswith(
        "; 2 processes, a card for each, would hold the base in parts"
    )
    assert finding.suggestion == {"train.config.use_4bit": True}
    (on_cpu,) = of_memory(training, lambda t: replace(in_parts(t), device="cpu"))
    assert "processes" not in str(on_cpu.message)


def test_a_base_in_parts_is_told_beside_the_recommended_way():
    training = TrainingConfig(use_4bit=False)
    (note,) = of_sharding(training, 2, memory)
    assert (note.code, note.severity) == ("sharded_base", Severity.NOTE)
    assert str(note.message).startswith("2 processes hold the base's layers in parts")
    assert note.suggestion == {"train.config.use_4bit": True, "train.config.processes": 1}
    (too_large,) = of_sharding(training.model_copy(update={"batch_size": 16}), 2, memory)
    assert too_large.suggestion == {}
    assert list(of_sharding(training, 1, memory)) == []


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
    assert "slower" in str(note.message)
    assert "1.0 GB rather than 11.0 GB" in str(note.message)
    assert note.suggestion == {}  # the whole of it would not fit
    assert list(of_memory(TrainingConfig(), memory)) == []
