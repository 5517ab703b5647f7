"""One way to open a channel: balanced, health-checked, retried, with a deadline on every call."""

import json
from collections.abc import Sequence

import grpc

from tally.rpc.call_details import give_deadline, show, show_secret, tell_job
from tally.rpc.call_spans import trace_calls
from tally.rpc.job_of_call import Metadata
from tally.rpc.settings import ClientSettings
from tally.rpc.tls import channel_credentials

_CONNECT_MILLISECONDS = 5_000


def open_channel(
    settings: ClientSettings,
    *,
    idempotent_methods: Sequence[str],
    health_checked: bool = False,
    secret: str | None = None,
    metadata: Metadata = (),
) -> grpc.aio.Channel:
    """Opens a channel that spreads calls over every address behind the target, and shows `secret`.

    `idempotent_methods` are full names ("tally.reward.v1.RewardService/Score"): only these are
    retried. With `health_checked`, an address gets calls only while it answers SERVING. One that
    hangs is left after twice `keepalive_seconds`, and its calls go elsewhere. Every call shows
    `metadata`, too.
    """
    silence_milliseconds = round(1000 * settings.keepalive_seconds)
    options = [
        ("grpc.service_config", _service_config(settings, idempotent_methods, health_checked)),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.keepalive_time_ms", silence_milliseconds),
        ("grpc.keepalive_timeout_ms", silence_milliseconds),
        # The keepalive's time-out alone has no effect: a ping's own, of a minute, comes before it.
        ("grpc.http2.ping_timeout_ms", silence_milliseconds),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_MILLISECONDS),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ]
    interceptors = give_deadline(settings.timeout_seconds) + tell_job() + trace_calls()
    if secret is not None:
        interceptors += show_secret(secret)
    if metadata:
        interceptors += show(metadata)
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
