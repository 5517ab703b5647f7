"""Watching a job until it has ended."""

from collections.abc import Callable

from tally.cli.client.api_client import ApiClient, Json
from tally.cli.client.events import Event, follow
from tally.cli.client.job_state import JobState
from tally.cli.errors import CliError, Interrupted, JobNotCompleted, RequestRefused
from tally.cli.show.comparison_tables import print_comparison
from tally.cli.show.output import error_console, print_json, say
from tally.cli.show.progress import JobDisplay, job_display

_LINES_OF_FAILED = 20


def watch_job(
    client: ApiClient,
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

    def on_lost(why: str) -> None:
        stop_if_asked()
        shown.remark(f"{why} Trying again.")

    with display or job_display() as shown:
        for event in follow(client, job_id, on_lost=on_lost):
            stop_if_asked()
            state.apply(event)
            _show(shown, state, event)
    raise_unless_completed(client, job_id, state, noun)
    return state


def watch_as_json(client: ApiClient, job_id: str) -> None:
    """One line of JSON for each event, with its kind and number."""
    state = JobState()
    for event in follow(client, job_id):
        state.apply(event)
        print_json({**event.data, "event": event.kind, "seq": event.seq})
    raise_unless_completed(client, job_id, state)


def watch_and_report(client: ApiClient, job_id: str) -> None:
    """As watch_job, then how it ended and the held-out comparison; Ctrl-C leaves the job alone."""
    try:
        state = watch_job(client, job_id)
    except KeyboardInterrupt:
        message = f"The job goes on; `tally watch {job_id}` shows it again."
        raise Interrupted(message) from None
    say(f"Completed after {state.step} steps; `tally download {job_id}` fetches the adapter.")
    if (evaluation := evaluation_of(client, client.job(job_id))) is not None:
        print_comparison(evaluation)


def watch_comparison(client: ApiClient, evaluation_id: str) -> None:
    """Shows the progress on standard error, so that standard output holds the result alone."""
    watch_job(client, evaluation_id, job_display(error_console), noun="Comparison")


def evaluation_of(client: ApiClient, job: Json) -> Json | None:
    """What the job's own comparison found; None where there is none."""
    if job["status"] != "completed":
        return None
    try:
        return client.evaluation(job["job_id"])
    except RequestRefused as error:
        if error.status in (404, 409):
            return None
        raise


def raise_unless_completed(
    client: ApiClient, job_id: str, state: JobState, noun: str = "Job"
) -> None:
    if state.status == "completed":
        return
    why = f": {state.error_message}" if state.error_message else "."
    log_tail = _log_tail(client, job_id) if state.status == "failed" else ""
    raise JobNotCompleted(f"{noun} {job_id} ended as {state.status}{why}", log_tail=log_tail)


def _log_tail(client: ApiClient, job_id: str) -> str:
    """What its workers said last; empty where nobody can tell."""
    try:
        return client.log(job_id, _LINES_OF_FAILED).removesuffix("\n")
    except CliError:
        return ""


def _show(display: JobDisplay, state: JobState, event: Event) -> None:
    if state.notice:
        display.remark(state.notice)
    if event.kind == "worker" and state.step:
        display.remark(f"Going on from step {state.step}.")
    display.update(state)
