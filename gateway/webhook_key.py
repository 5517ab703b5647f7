"""What webhooks are signed with, as Standard Webhooks writes it. Pure."""

import base64
import binascii

_PREFIX = "whsec_"
_FEWEST_BYTES, _MOST_BYTES = 24, 64


def key_of(secret: str) -> bytes:
    """The key in `whsec_` and base64; raises ValueError for what is none.

    >>> len(key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    24
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(
            f"expected {_PREFIX} and then {_FEWEST_BYTES} to {_MOST_BYTES} random bytes in base64"
        )
    return key
