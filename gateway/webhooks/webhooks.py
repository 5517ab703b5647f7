"""Webhooks on their way: sent, tried again later and later, given up in the end."""

import asyncio
import logging

import httpcore
from sqlalchemy.exc import SQLAlchemyError

from gateway.settings import GatewaySettings
from gateway.times import now, to_unix_seconds
from gateway.webhook_key import key_of
from gateway.webhooks.destinations import BadDestination, JudgedBackend
from gateway.webhooks.signature import sign
from gateway.webhooks.webhook_models import Webhook
from gateway.webhooks.webhook_store import WebhookStore

_log = logging.getLogger(__name__)
MOST_ATTEMPTS = 9
_BACKOFF = 4
_AT_ONCE = 8
_ANSWER_SECONDS = 15.0
# Longer than an attempt lasts, by far: then it was lost with its gateway.
_TAKEN_SECONDS = 120.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Tally"}


class Webhooks:
    """Sends what the store holds, from several gateways each once; off without a secret."""

    def __init__(self, settings: GatewaySettings, store: WebhookStore) -> None:
        self._settings = settings
        self._store = store
        secret = settings.webhook_secret
        self._key = key_of(secret.get_secret_value()) if secret else None
        may_be_private = settings.webhooks_to_private_addresses
        self._backend = JudgedBackend(may_be_private=may_be_private)

    async def run(self) -> None:
        """Runs on, where there is a secret to sign with."""
        while self._key is not None:
            try:
                while taken := await self._store.run(self._store.take, _AT_ONCE, _TAKEN_SECONDS):
                    await asyncio.gather(*(self._deliver(self._key, one) for one in taken))
            except SQLAlchemyError as error:
                _log.warning("cannot look for webhooks: %s", type(error).__name__)
            await asyncio.sleep(self._settings.poll_seconds)

    async def _deliver(self, key: bytes, webhook: Webhook) -> None:
        fault = await self._send(key, webhook)
        name = webhook.webhook_id
        if fault is None:
            await self._store.run(self._store.remove, name)
        elif webhook.attempts >= MOST_ATTEMPTS:
            _log.warning("webhook %s is given up: %s", name, fault)
            await self._store.run(self._store.remove, name)
        else:
            wait = self._settings.webhook_retry_seconds * _BACKOFF ** (webhook.attempts - 1)
            _log.info("webhook %s did not arrive, and is sent again in %d s: %s", name, wait, fault)
            await self._store.run(self._store.put_off, name, wait)

    async def _send(self, key: bytes, webhook: Webhook) -> str | None:
        """What went wrong. Redirections are not followed, and no body is read."""
        signature = sign(key, webhook.webhook_id, to_unix_seconds(now()), webhook.body)
        headers = [*_HEADERS.items(), *signature.items()]
        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                httpcore.AsyncConnectionPool(network_backend=self._backend) as pool,
                pool.stream(
                    "POST", webhook.url, headers=headers, content=webhook.body.encode()
                ) as response,
            ):
                return None if 200 <= response.status < 300 else f"it answered {response.status}"
        except BadDestination as error:
            return str(error)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return type(error).__name__
        except (OSError, TimeoutError, ValueError) as error:
            return type(error).__name__
