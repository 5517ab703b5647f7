"""How a training job is watched while it goes on: by what it answers, and by what it learns."""

from collections.abc import Sequence

from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.evaluation.evaluator import Evaluator
from learner_service.events import Notice
from learner_service.grpo.held_out_evaluation import HeldOutEvaluation
from learner_service.grpo.run_end import RunEnd
from learner_service.grpo.untaught_steps import UntaughtSteps
from learner_service.worker.job_parts import JobParts
from tally.job.settings import TrainingConfig
from tally.messages.message import Message


def watch_run(
    parts: JobParts, config: TrainingConfig, prompter: Prompter, rows: Sequence[Row]
) -> RunEnd:
    """`rows` are those to evaluate on; a job that is to and has none says so."""
    if config.evaluation_steps and not rows:
        parts.report(Notice.of(Message("nothing_to_evaluate")))
    evaluator = Evaluator(
        prompter=prompter,
        rollouts=parts.rollouts,
        rewards=parts.rewards,
        loop=parts.loop,
        max_new_tokens=config.max_new_tokens,
        report=parts.report,
    )
    history = parts.task.folder.history
    return RunEnd(
        evaluation=HeldOutEvaluation(evaluator, rows, config, history, parts.ranks),
        untaught=UntaughtSteps(config, history, parts.report),
    )
