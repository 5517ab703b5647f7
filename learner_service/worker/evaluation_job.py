"""A job that trains nothing: it compares an adapter that it was given with the base model."""

from learner_service.data.dataset import Row, stage_dataset
from learner_service.data.prompts import Prompter
from learner_service.events import JobEnded, JobPhase, JobStatus
from learner_service.inside.parts import base_parts
from learner_service.inside.rollouts import InsideRollouts
from learner_service.spec import Evaluation, Prediction
from learner_service.worker.adapter_evaluation import AdapterEvaluation
from learner_service.worker.job_parts import JobParts
from tally.rpc.digests import digest_of_file


def stage_questions(parts: JobParts, asked: Evaluation | Prediction) -> tuple[Prompter, list[Row]]:
    """All rows of the job's dataset, their images where the replicas can fetch them.

    Loads no weights of the model, unless the learner samples by itself.
    """
    task, spec = parts.task, parts.task.spec
    parts.phases.enter(JobPhase.LOADING)
    prompter = Prompter.of_model(task.model_source).asking(asked.prompt)
    load_base_engine(parts)
    served = parts.loop.run(parts.rollouts.model())
    prompter.agree_on_tokens(served, spec.base_model)
    rows = stage_dataset(
        parts.store.path(spec.dataset_digest),
        parts.store,
        prompter.grid,
        asked.max_image_size,
        limits=task.settings.dataset,
    )
    return prompter, rows


def run_evaluation_job(parts: JobParts, evaluation: Evaluation) -> None:
    """Ends the job with the report as its result."""
    prompter, rows = stage_questions(parts, evaluation)
    evaluated = AdapterEvaluation(
        parts, max_new_tokens=evaluation.max_new_tokens, seed=evaluation.seed
    )
    report = evaluated.run(prompter, rows, evaluation.adapter_digest)
    digest = digest_of_file(report)
    parts.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))


def load_base_engine(parts: JobParts) -> None:
    """Where the learner samples by itself: over the base."""
    rollouts, task = parts.rollouts, parts.task
    if isinstance(rollouts, InsideRollouts):
        parts.loop.run(rollouts.load(lambda: base_parts(task.settings, task.model_source)))
