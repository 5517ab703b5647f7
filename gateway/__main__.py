"""`python -m gateway`: settings from the environment and from flags."""

import sys

from gateway.access.open_gateway import OpenGateway, refuse_an_open_gateway
from gateway.app import create_app
from gateway.http.server import GatewayServer
from gateway.settings import GatewaySettings
from tally.rpc.logs import configure_logging


def main() -> None:
    """Serves until SIGTERM or SIGINT, then exits with 0; with 2 where a setting is wrong."""
    settings = GatewaySettings.read()
    configure_logging("gateway", settings.log_level)
    try:
        refuse_an_open_gateway(settings)
    except OpenGateway as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    GatewayServer(create_app(settings), settings).run()


if __name__ == "__main__":
    main()
