"""Whether a gateway that other machines reach asks them for a token."""

from gateway.access.token_store import TokenStore
from gateway.settings import GatewaySettings
from tally.rpc.settings import is_loopback


class OpenGateway(Exception):
    """Whoever reaches the gateway might do anything; the message says what to do."""


def refuse_an_open_gateway(settings: GatewaySettings, tokens: TokenStore) -> None:
    """Raises OpenGateway off loopback without any token, unless the settings want it so."""
    if settings.token or settings.open_to_anyone or is_loopback(settings.host):
        return
    if not tokens.all():
        raise OpenGateway(
            f"host {settings.host} is reached from other machines: make a token with `python -m "
            "gateway.tokens create NAME`, or set TALLY_GATEWAY_TOKEN, or, to let anyone in who "
            "reaches the port, open_to_anyone"
        )
