"""A job that trains nothing: it answers questions about pictures that nobody has counted."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from learner_service.data.dataset import Row
from learner_service.evaluation.answers import ScoredAnswer
from learner_service.evaluation.evaluator import Evaluator
from learner_service.events import EvaluationProgress, JobEnded, JobPhase, JobStatus
from learner_service.job_folder.commits import Place
from learner_service.spec import Prediction
from learner_service.worker.evaluation_job import stage_questions
from learner_service.worker.job_parts import JobParts
from tally.rpc.digests import digest_of_file

PREDICTIONS = "predictions.jsonl"


def run_prediction_job(parts: JobParts, prediction: Prediction) -> None:
    """Ends the job with its answers as its result."""
    prompter, rows = stage_questions(parts, prediction)
    parts.phases.enter(JobPhase.EVALUATING)
    evaluator = Evaluator(
        prompter=prompter,
        rollouts=parts.rollouts,
        rewards=parts.rewards,
        loop=parts.loop,
        max_new_tokens=prediction.max_new_tokens,
        report=parts.report,
    )
    answered = 0

    def count(number: int) -> None:
        nonlocal answered
        answered += number
        parts.report(EvaluationProgress(answered=answered, total=len(rows)))

    answers = evaluator.answer(rows, prediction.adapter_digest, count)
    path = parts.task.folder.report_archive
    write_predictions(path, rows, answers)
    parts.keeper.keep(Place.REPORT, [path])
    parts.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest_of_file(path)))


def write_predictions(path: Path, rows: Sequence[Row], answers: Sequence[ScoredAnswer]) -> None:
    """Writes the ZIP, a line for each row."""
    lines = (
        json.dumps(
            {
                "row": row.number,
                "text": answer.text,
                "count": answer.score.count,
                "explanation": answer.score.explanation,
                "probability": answer.probability,
            },
            ensure_ascii=False,
        )
        for row, answer in zip(rows, answers, strict=True)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PREDICTIONS, "".join(f"{line}\n" for line in lines))
