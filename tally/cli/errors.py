"""What can go wrong, each with a message for a person.

CliError
├── JobNotCompleted      the job failed or was cancelled; `.log_tail` is its log's end
├── StackFailed          a service could not start or kept ending; `.log_tail` is its log's end
└── Interrupted          Ctrl-C or SIGTERM

The gateway's own are those of `tally.client.errors`.
"""

from tally.client import ClientError, NothingListens, TokenRefused

_ADVICE = {
    NothingListens: "start one with `tally up`, or name another with --url or TALLY_URL, before "
    "the command.",
    TokenRefused: "give it with --token or TALLY_TOKEN, before the command.",
}


class CliError(Exception):
    """Ends a command with exit code 1 and this message.

    Before it is shown the end of the log that tells more, where one does: `log_tail`, of the
    `log_owner`.
    """

    exit_code = 1
    log_tail = ""
    log_owner = ""


class JobNotCompleted(CliError):
    log_owner = "job"

    def __init__(self, message: str, *, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


class StackFailed(CliError):
    def __init__(self, message: str, *, service: str = "", log_tail: str = "") -> None:
        super().__init__(message)
        self.service = service
        self.log_tail = log_tail
        self.log_owner = f"{service} service"


class Interrupted(CliError):
    exit_code = 130


def explain(error: ClientError) -> str:
    """What the client says went wrong, with what to do about it at a terminal."""
    advice = _ADVICE.get(type(error))
    return f"{str(error).removesuffix('.')}; {advice}" if advice else str(error)
