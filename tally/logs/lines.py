"""A log's lines, as text or as JSON: what strangers wrote is text in them, and begins none."""

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from tally.logs.fields import current_fields
from tally.text.sinks import to_log, to_terminal

# uvicorn's own, for terminals.
_LEFT_OUT = "color_message"


class TextLines(logging.Formatter):
    """Time, level, service, what it concerns, module: message."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        concerns = "".join(f" {name}={value}" for name, value in current_fields().items())
        begin = f"{_time_of(record)} {record.levelname} {self._service}{concerns}"
        return to_log(f"{begin} {record.name}: {record.message}")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        return to_terminal(super().formatException(ei))


class JsonLines(JsonFormatter):
    """An object a line: time, level, service, logger, message, what it concerns, and each figure
    that the message was made of; a traceback is one text."""

    def __init__(self, service: str) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            static_fields={"service": service},
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            reserved_attrs=[*RESERVED_ATTRS, _LEFT_OUT],
            json_ensure_ascii=False,
        )

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        log_data["time"] = _time_of(record)
        super().add_fields(log_data, record, message_dict)
        log_data.update(current_fields())

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        # What it escapes is within texts, where JSON has the same escapes.
        return to_log(super().jsonify_log_record(log_data))


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
