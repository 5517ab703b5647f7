"""A job that trains nothing: it compares an adapter that it was given with the base model."""

from learner_service.data.dataset import stage_dataset
from learner_service.data.prompts import Prompter
from learner_service.evaluation.comparing import Comparing
from learner_service.events import JobEnded, JobPhase, JobStatus
from learner_service.spec import Evaluation
from tally.rpc.digests import digest_of_file


def run_evaluation_job(comparing: Comparing, evaluation: Evaluation) -> None:
    """Ends the job with the report as its result; needs no weights of the model."""
    task, spec = comparing.task, comparing.task.spec
    comparing.phases.enter(JobPhase.LOADING)
    prompter = Prompter.of_model(task.model_source)
    served = comparing.loop.run(comparing.rollouts.model())
    prompter.agree_on_tokens(served, spec.base_model)
    rows = stage_dataset(
        comparing.store.path(spec.dataset_digest),
        comparing.store,
        prompter.grid,
        evaluation.max_image_size,
    )
    report = comparing.run(prompter, rows, evaluation.adapter_digest)
    digest = digest_of_file(report)
    comparing.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))
