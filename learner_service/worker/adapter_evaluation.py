"""An evaluation from its rows to its report: what a worker does with an adapter it can name."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.evaluation.comparison import comparison
from learner_service.evaluation.evaluator import Evaluator
from learner_service.evaluation.report import PAGE_NAMES, write_report
from learner_service.evaluation.report_page import About
from learner_service.evaluation.row_scores import SCORES
from learner_service.events import EvaluationDone, JobPhase, Notice
from learner_service.job_folder.commits import Place
from learner_service.worker.job_parts import JobParts
from tally.job.comparison import Comparison, EvaluationScores, HeldOut, IntervalScores
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.digests import digest_of_file
from tally.rpc.errors import TallyError


class AdapterEvaluation:
    """Compares an adapter with the base model; `seed` is that of the intervals' resampling."""

    def __init__(self, parts: JobParts, *, max_new_tokens: int, seed: int) -> None:
        self._parts = parts
        self._max_new_tokens = max_new_tokens
        self._seed = seed

    def run(
        self,
        prompter: Prompter,
        rows: Sequence[Row],
        adapter_digest: str,
        held_out_share: float | None = None,
        warnings: Sequence[Message] = (),
    ) -> Path:
        """Compares, reports EvaluationDone, and leaves the report at the path that it returns.

        `held_out_share`: the rows are this part of the job's own data; None where they are not.
        `warnings` are said with those of the comparison.
        """
        self._parts.phases.enter(JobPhase.EVALUATING)
        evaluator = Evaluator(
            prompter=prompter,
            rollouts=self._parts.rollouts,
            rewards=self._parts.rewards,
            loop=self._parts.loop,
            max_new_tokens=self._max_new_tokens,
            report=self._parts.report,
        )
        compared = evaluator.compare(rows, adapter_digest)
        result = comparison(compared, self._seed, warnings)
        if held_out_share is not None:
            held_out = HeldOut(share=held_out_share, rows=[row.number for row in rows])
            result = replace(result, held_out=held_out)
        path = self._parts.task.folder.report_archive
        write_report(
            path,
            result,
            compared,
            about=self._about(),
            open_picture=lambda digest: self._parts.store.path(digest).read_bytes(),
        )
        self._parts.report(self._store_report(result, path))
        return path

    def pages(
        self,
        prompter: Prompter,
        stage: Callable[[], list[Row]],
        adapter_digest: str,
        held_out_share: float | None = None,
        warnings: Sequence[Message] = (),
    ) -> dict[str, bytes] | None:
        """The pages of a comparison on the rows that `stage` gives, by name; None where there are
        none.

        What was trained is not lost to a comparison that fails: the job says so and goes on.
        """
        try:
            rows = stage()
            if not rows:
                return None
            return _read_pages(self.run(prompter, rows, adapter_digest, held_out_share, warnings))
        except TallyError as error:
            said = Message("not_compared", reason=quote_service(error))
            self._parts.report(Notice.of(said))
            return None

    def _about(self) -> About:
        spec = self._parts.task.spec
        return About(title=spec.job_name, base_model=spec.base_model)

    def _store_report(self, result: Comparison, path: Path) -> EvaluationDone:
        self._parts.keeper.keep(Place.REPORT, [path])
        return EvaluationDone(
            num_samples=result.num_samples,
            base=_without_intervals(result.base),
            adapter=_without_intervals(result.adapter),
            report_digest=digest_of_file(path),
        )


def _read_pages(report: Path) -> dict[str, bytes]:
    """The HTML pages of a report, by their names."""
    with zipfile.ZipFile(report) as archive:
        return {name: archive.read(name) for name in PAGE_NAMES.values()}


def _without_intervals(scores: IntervalScores) -> EvaluationScores:
    return EvaluationScores(**{name: getattr(scores, name) for name in SCORES})
