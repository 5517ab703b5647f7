"""One way to open a channel: balanced, health-checked, retried, with a deadline on every call."""

import json
from collections.abc import Sequence

import grpc

from rpc.interceptors import DeadlineInterceptor
from rpc.settings import ClientSettings
from rpc.tls import channel_credentials

_KEEPALIVE_MILLISECONDS = 20_000


def open_channel(
    settings: ClientSettings,
    *,
    idempotent_methods: Sequence[str],
    health_checked: bool = False,
) -> grpc.aio.Channel:
    """Opens a channel that spreads calls over every address behind the target.

    `idempotent_methods` are full names ("tally.reward.v1.RewardService/Score"): only these are
    retried. With `health_checked`, an address gets calls only while it answers SERVING.
    """
    options = [
        ("grpc.service_config", _service_config(settings, idempotent_methods, health_checked)),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]
    interceptors = [DeadlineInterceptor(settings.timeout_seconds)]
    if settings.tls.enabled:
        credentials = channel_credentials(settings.tls)
        return grpc.aio.secure_channel(settings.target, credentials, options, None, interceptors)
    return grpc.aio.insecure_channel(settings.target, options, None, interceptors)


def _service_config(
    settings: ClientSettings, idempotent_methods: Sequence[str], health_checked: bool
) -> str:
    names = [
        dict(zip(("service", "method"), method.split("/"), strict=True))
        for method in idempotent_methods
    ]
    retry_policy = {
        "maxAttempts": settings.max_attempts,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2.0,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if names:
        config["methodConfig"] = [{"name": names, "retryPolicy": retry_policy}]
    if health_checked:
        config["healthCheckConfig"] = {"serviceName": ""}
    return json.dumps(config)
