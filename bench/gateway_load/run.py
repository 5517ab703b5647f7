"""A stack, a job that trains, and one load after another on the gateway."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.faults.running_stack import RunningStack
from bench.gateway_load.jobs import Jobs
from bench.gateway_load.phases import Phases
from bench.gateway_load.plan import Plan
from bench.gateway_load.reads import Answer, endpoints, read_evenly, reading_paths
from bench.gateway_load.uploads import judging_cpu_seconds, upload, write_uploads
from bench.gateway_load.watchers import Round, watch_in_rounds
from tally.client import Client

_TIMEOUT_SECONDS = 60.0
# Of the job that trains, as the page asks; and a picture that has to be made smaller.
_PAGE_READS = (
    "GET /jobs/{job_id}",
    "GET /jobs/{job_id}/metrics?max_points=1000",
    "GET /jobs/{job_id}/samples",
    "GET /files/{file_id}/images/{row}?max_side=256",
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The statuses of the uploads; the CPU time of judging one of them."""

    phases: Phases
    answers: list[Answer]
    uploads: list[int]
    judging_cpu_seconds: float
    rounds: list[Round]


def run(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """All loads of `plan` on a stack in `folder`, each between two stretches without any."""
    data_dir = folder / "stack"
    data_dir.mkdir()
    # A slot more than there are watchers would hide one that isn't freed.
    stack = RunningStack(data_dir, {"TALLY_GATEWAY_MAX_EVENT_STREAMS": str(plan.watchers)})
    tell("what is read and sent is made")
    uploads = write_uploads(folder, plan.uploads, plan.upload_bytes)
    judging = judging_cpu_seconds(uploads[0], folder / "judged.zip")
    with stack.run(), Client(stack.url, timeout_seconds=_TIMEOUT_SECONDS) as client:
        jobs = Jobs(client)
        names = jobs.prepare(folder)
        job_id = jobs.train_on(names["file_id"])
        paths = reading_paths(endpoints(stack.url), names)
        paths += reading_paths(_PAGE_READS, names | {"job_id": job_id})
        phases = Phases(stack.pid("gateway"), lambda: jobs.steps(job_id), tell)
        phases.rest(plan.quiet_seconds)
        with phases.measure("reads"):
            answers = read_evenly(stack.url, paths, plan.reads_per_second, plan.reading_seconds)
        phases.rest(plan.quiet_seconds)
        with phases.measure("uploads"):
            statuses = _upload_at_once(stack.url, uploads)
        phases.rest(plan.quiet_seconds)
        with phases.measure("watchers"):
            rounds = watch_in_rounds(stack.url, job_id, plan)
        phases.rest(plan.quiet_seconds)
        client.cancel(job_id)
    return Outcome(
        phases=phases,
        answers=answers,
        uploads=statuses,
        judging_cpu_seconds=judging,
        rounds=rounds,
    )


def _upload_at_once(url: str, paths: Sequence[Path]) -> list[int]:
    with ThreadPoolExecutor(len(paths)) as senders:
        return list(senders.map(lambda path: upload(url, path), paths))
