"""`python -m gateway`: settings from the environment and from flags."""

import sys

from gateway.access.open_gateway import OpenGateway, refuse_an_open_gateway
from gateway.access.token_store import TokenStore
from gateway.app import create_app
from gateway.database import database_or_exit
from gateway.http.server import GatewayServer
from gateway.settings import GatewaySettings
from tally.host.cores import keep_to
from tally.host.garbage import leave_out_what_lives
from tally.logs.setup import configure_logging
from tally.metrics.page import metrics_page
from tally.traces.setup import trace_to


def main() -> None:
    """Serves until SIGTERM or SIGINT, then exits with 0; with 2 where a setting is wrong, and with
    1 and a sentence where a later release wrote the data, or the database is away."""
    settings = GatewaySettings.read()
    configure_logging("gateway", settings.log_level, settings.log_format)
    if settings.cores is not None:
        keep_to(settings.cores)
    _prepare_database(settings)
    with trace_to(settings.trace_endpoint, "gateway"):
        app = create_app(settings)
        with metrics_page(settings, settings.host, app.state.metrics.registry):
            leave_out_what_lives()
            GatewayServer(app, settings).run()


def _prepare_database(settings: GatewaySettings) -> None:
    with database_or_exit(settings) as database:
        try:
            refuse_an_open_gateway(settings, TokenStore(database))
        except OpenGateway as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(2)


if __name__ == "__main__":
    main()
