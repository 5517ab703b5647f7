"""Watching a job until it has ended."""

from collections.abc import Callable, Iterator

from tally.cli.answers import Json
from tally.cli.errors import Interrupted, JobNotCompleted, explain
from tally.cli.show.comparison_tables import print_comparison
from tally.cli.show.job_state import JobState
from tally.cli.show.output import error_console, print_json, say
from tally.cli.show.progress import JobDisplay, job_display
from tally.client import Client, ClientError, Event, RequestRefused

_LINES_OF_FAILED = 20
_END_REASONS = {
    "no_improvement": ", since none of the last evaluations was better",
    "nothing_taught": ", since the last ones taught nothing",
}
_WARNINGS = {
    "no_variety": "its last steps taught nothing, since all answers to a question earned the same; "
    "raise the temperature",
    "nothing_left_to_learn": "its last steps taught nothing, since nearly all answers were right; "
    "take harder images",
}


def watch_job(
    client: Client,
    job_id: str,
    display: JobDisplay | None = None,
    *,
    noun: str = "Job",
    stopped: Callable[[], bool] = lambda: False,
) -> JobState:
    """Shows the job's progress until it has ended → where it then stands.

    Raises JobNotCompleted for one that failed or was cancelled, Interrupted once `stopped`.
    """
    state = JobState()

    def stop_if_asked() -> None:
        if stopped():
            raise Interrupted("Interrupted.")

    def on_lost(error: ClientError) -> None:
        stop_if_asked()
        shown.remark(f"{explain(error)} Trying again.")

    with display or job_display() as shown:
        for event in client.watch(job_id, on_lost=on_lost):
            stop_if_asked()
            state.apply(event)
            _show(shown, state, event)
    raise_unless_completed(client, job_id, state, noun)
    return state


def watch_as_json(client: Client, job_id: str) -> None:
    """One line of JSON for each event, with its kind and number."""
    state = JobState()
    for event in client.watch(job_id):
        state.apply(event)
        print_json({**event.data, "event": event.kind, "seq": event.seq})
    raise_unless_completed(client, job_id, state)


def watch_and_report(client: Client, job_id: str) -> None:
    """As watch_job, then how it ended and the held-out comparison; Ctrl-C leaves the job alone."""
    try:
        state = watch_job(client, job_id)
    except KeyboardInterrupt:
        message = f"The job goes on; `tally watch {job_id}` shows it again."
        raise Interrupted(message) from None
    job = client.job(job_id)
    for line in _describe_end(job, state):
        say(line)
    if (evaluation := evaluation_of(client, job)) is not None:
        print_comparison(evaluation)


def _describe_end(job: Json, state: JobState) -> Iterator[str]:
    """How a completed job ended, and what to know of it."""
    job_id, why = job["job_id"], _END_REASONS.get(state.end_reason, "")
    done = f"Completed after {state.step} steps{why}"
    yield f"{done}; `tally download {job_id}` fetches the adapter."
    best_step = job.get("best_step")
    if best_step not in (None, state.step):
        best = f"`tally download {job_id} --checkpoint best`"
        yield f"Of what was held out step {best_step} has answered most; {best} fetches that."
    if warning := _WARNINGS.get(job.get("warning") or ""):
        yield f"warning: {warning}"


def watch_comparison(client: Client, evaluation_id: str) -> None:
    """Shows the progress on standard error, so that standard output holds the result alone."""
    watch_job(client, evaluation_id, job_display(error_console), noun="Comparison")


def watch_prediction(client: Client, prediction_id: str) -> None:
    """As watch_comparison."""
    watch_job(client, prediction_id, job_display(error_console), noun="Prediction")


def evaluation_of(client: Client, job: Json) -> Json | None:
    """What the job's own comparison found; None where there is none."""
    if job["status"] != "completed":
        return None
    try:
        return client.evaluation(job["job_id"])
    except RequestRefused as error:
        if error.status in (404, 409):
            return None
        raise


def raise_unless_completed(client: Client, job_id: str, state: JobState, noun: str = "Job") -> None:
    if state.status == "completed":
        return
    why = f": {state.error_message}" if state.error_message else "."
    log_tail = _log_tail(client, job_id) if state.status == "failed" else ""
    raise JobNotCompleted(f"{noun} {job_id} ended as {state.status}{why}", log_tail=log_tail)


def _log_tail(client: Client, job_id: str) -> str:
    """What its workers said last; empty where nobody can tell."""
    try:
        return client.log(job_id, _LINES_OF_FAILED).removesuffix("\n")
    except ClientError:
        return ""


def _show(display: JobDisplay, state: JobState, event: Event) -> None:
    if state.notice:
        display.remark(state.notice)
    if event.kind == "worker" and state.step:
        display.remark(f"Going on from step {state.step}.")
    display.update(state)
