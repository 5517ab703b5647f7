"""What can go wrong, each with a message for a person.

CliError
├── GatewayUnreachable   nothing answers, or the connection broke
├── RequestRefused       the gateway answered with an error; `.status` is HTTP's
├── JobNotCompleted      the job failed or was cancelled; `.log_tail` is its log's end
├── StackFailed          a service could not start or kept ending; `.log_tail` is its log's end
└── Interrupted          Ctrl-C or SIGTERM
"""


class CliError(Exception):
    """Ends a command with exit code 1 and this message.

    Before it is shown the end of the log that tells more, where one does: `log_tail`, of the
    `log_owner`.
    """

    exit_code = 1
    log_tail = ""
    log_owner = ""


class GatewayUnreachable(CliError):
    pass


class RequestRefused(CliError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


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
