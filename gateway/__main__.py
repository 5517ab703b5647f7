"""`python -m gateway`: settings from the environment and from flags."""

import sys

from pydantic import ValidationError

from gateway.app import create_app
from gateway.server import GatewayServer
from gateway.settings import Settings
from rpc.logs import configure_logging


def main() -> None:
    """Serves until SIGTERM or SIGINT, then exits with 0; with 2 where a setting is wrong."""
    try:
        settings = Settings(_cli_parse_args=True)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            where = ".".join(map(str, fault["loc"]))
            sys.stderr.write(f"{where}: {fault['msg']}\n")
        sys.exit(2)
    configure_logging("gateway", settings.log_level)
    GatewayServer(create_app(settings), settings).run()


if __name__ == "__main__":
    main()
