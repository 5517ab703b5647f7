"""Signing a webhook as Standard Webhooks 1.0 has it, so that its libraries verify it. Pure."""

import base64
import hashlib
import hmac


def sign(key: bytes, webhook_id: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers of a webhook that is sent at `timestamp`, in Unix seconds."""
    signed = f"{webhook_id}.{timestamp}.{body}".encode()
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "Webhook-Id": webhook_id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }
