"""One log format for every service: time, level, service, message, on standard error."""

import logging
import sys
from typing import Any

from tally.rpc.settings import LogLevel
from tally.text.sinks import to_log, to_terminal


class PlainFormatter(logging.Formatter):
    """What strangers wrote begins no line of its own, and is nothing that a terminal obeys."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        return to_log(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        return to_terminal(super().formatException(ei))


def configure_logging(service: str, level: LogLevel = "info") -> None:
    handler = logging.StreamHandler(sys.stderr)
    layout = f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s"
    handler.setFormatter(PlainFormatter(layout))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
