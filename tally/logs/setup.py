"""How a process logs: in one form, on standard error."""

import logging
import sys
from typing import Literal

from tally.logs.lines import JsonLines, TextLines

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
_LINES: dict[LogFormat, type[TextLines] | type[JsonLines]] = {"text": TextLines, "json": JsonLines}


def configure_logging(service: str, level: LogLevel = "info", form: LogFormat = "text") -> None:
    """Every logger of this process, under the name `service`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LINES[form](service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
