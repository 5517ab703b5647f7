"""A job that trains nothing: it compares an adapter that it was given with the base model."""

from learner_service.data.dataset import stage_dataset
from learner_service.data.prompts import Prompter
from learner_service.events import JobEnded, JobPhase, JobStatus
from learner_service.spec import Evaluation
from learner_service.worker.adapter_evaluation import AdapterEvaluation
from learner_service.worker.job_parts import JobParts
from tally.rpc.digests import digest_of_file


def run_evaluation_job(parts: JobParts, evaluation: Evaluation) -> None:
    """Ends the job with the report as its result; needs no weights of the model."""
    task, spec = parts.task, parts.task.spec
    parts.phases.enter(JobPhase.LOADING)
    prompter = Prompter.of_model(task.model_source)
    served = parts.loop.run(parts.rollouts.model())
    prompter.agree_on_tokens(served, spec.base_model)
    rows = stage_dataset(
        parts.store.path(spec.dataset_digest),
        parts.store,
        prompter.grid,
        evaluation.max_image_size,
        limits=task.settings.dataset,
    )
    evaluated = AdapterEvaluation(
        parts, max_new_tokens=evaluation.max_new_tokens, seed=evaluation.seed
    )
    report = evaluated.run(prompter, rows, evaluation.adapter_digest)
    digest = digest_of_file(report)
    parts.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))
