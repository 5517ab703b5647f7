"""Whether a job's end can be told where its owner wants it told."""

from gateway.errors import Unprocessable
from gateway.settings import GatewaySettings
from gateway.webhooks.destinations import BadDestination, check_url
from tally.messages.message import Message


def check_callback(url: str | None, settings: GatewaySettings) -> None:
    """Raises Unprocessable where it can't; None asks for nothing."""
    if url is None:
        return
    if settings.webhook_secret is None:
        raise Unprocessable.at("callback_url", Message("webhooks_off"))
    try:
        check_url(url, may_be_private=settings.webhooks_to_private_addresses)
    except BadDestination as error:
        raise Unprocessable.at("callback_url", error.message) from None
