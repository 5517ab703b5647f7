"""`python -m gateway`: settings from the environment and from flags."""

from gateway.app import create_app
from gateway.server import GatewayServer
from gateway.settings import Settings
from rpc.logs import configure_logging


def main() -> None:
    settings = Settings(_cli_parse_args=True)
    configure_logging("gateway", settings.log_level)
    GatewayServer(create_app(settings), settings).run()


if __name__ == "__main__":
    main()
