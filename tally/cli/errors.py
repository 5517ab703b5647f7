"""What can go wrong, each with a message for a person.

CliError
├── GatewayUnreachable   nothing answers, or the connection broke
├── RequestRefused       the gateway answered with an error; `.status` is HTTP's
├── JobNotCompleted      the job failed or was cancelled
├── StackFailed          a service could not start or kept ending; `.log_tail` is its log's end
└── Interrupted          Ctrl-C or SIGTERM
"""


class CliError(Exception):
    """Ends a command with exit code 1 and this message."""

    exit_code = 1


class GatewayUnreachable(CliError):
    pass


class RequestRefused(CliError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class JobNotCompleted(CliError):
    pass


class StackFailed(CliError):
    def __init__(self, message: str, *, service: str = "", log_tail: str = "") -> None:
        super().__init__(message)
        self.service = service
        self.log_tail = log_tail


class Interrupted(CliError):
    exit_code = 130
