"""A job that samples from its own policy: the engine over its weights, and what it goes on from."""

from learner_service.grpo.groups import PromptStage
from learner_service.grpo.prompt_reader import PromptReader
from learner_service.inside.parts import policy_parts
from learner_service.inside.rollouts import InsideRollouts
from learner_service.one_pass import ReadingOnce, may_read_once
from learner_service.policy.policy import Policy
from learner_service.spec import Training
from learner_service.worker.job_parts import JobParts


def load_engine(
    parts: JobParts, training: Training, policy: Policy, stage: PromptStage
) -> PromptReader | None:
    """None where a rollout service samples for the job."""
    rollouts, config = parts.rollouts, training.config
    if not isinstance(rollouts, InsideRollouts):
        return None
    reading = ReadingOnce(
        choice=parts.task.settings.one_pass,
        is_possible=may_read_once(config, training.lora),
        device=policy.device.type,
        use_4bit=config.use_4bit,
        hidden_size=policy.hidden_size,
    )
    reader = PromptReader(policy, stage, reading)
    engine_parts = policy_parts(policy, parts.task.model_source, use_4bit=config.use_4bit)
    parts.loop.run(
        rollouts.load(
            lambda: engine_parts,
            max_resident_adapters=1 + config.staleness,
            find_read=reader.find,
        )
    )
    return reader
