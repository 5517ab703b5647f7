"""What LoRA dropout costs a job that samples inside. Pure."""

from collections.abc import Iterator

from learner_service.one_pass import ReadingOnce, may_read_once
from learner_service.preflight.findings import Finding, Severity, StepPlan
from learner_service.preflight.job_memory import JobMemory
from learner_service.spec import Training
from tally.messages.message import Message


def of_dropout(training: Training, memory: JobMemory, plan: StepPlan) -> Iterator[Finding]:
    """Where nothing but dropout keeps sampling and learning from being one pass over a prompt."""
    settings, dropout = memory.device.settings, training.lora.lora_dropout
    if not settings.samples_inside or not dropout:
        return
    without = training.lora.model_copy(update={"lora_dropout": 0.0})
    reading = ReadingOnce(
        choice=settings.one_pass,
        is_possible=may_read_once(training.config, without),
        device=memory.device.name,
        use_4bit=training.config.use_4bit,
        hidden_size=memory.shape.hidden,
    )
    tokens = memory.prompts(training.config.max_image_size).tokens
    if not reading.of_prompts([tokens]):
        return
    prompts = plan.completions_per_step // training.config.num_generations
    yield Finding(
        severity=Severity.NOTE,
        code="prompts_read_twice",
        where="train.lora.lora_dropout",
        message=Message("prompts_read_twice", tokens=prompts * tokens),
        suggestion={"train.lora.lora_dropout": 0.0},
    )
