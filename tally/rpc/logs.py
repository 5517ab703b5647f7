"""One log format for every service: time, level, service, message, on standard error."""

import logging
import sys

from tally.rpc.settings import LogLevel


def configure_logging(service: str, level: LogLevel = "info") -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format=f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s",
        force=True,
    )
