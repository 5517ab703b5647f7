"""`python -m gateway.health_check`: whether the gateway beside it is well, by its own environment.

For images: exits with 0 where /healthz answers 200, or asks for a token that the environment lacks;
with 1 where it doesn't.
"""

import sys
import urllib.error
import urllib.request
from http import HTTPStatus

from gateway.settings import GatewaySettings

_TIMEOUT_SECONDS = 4.0
_EVERY_INTERFACE = {"", "0.0.0.0", "::"}


def main() -> None:
    settings = GatewaySettings.read([])
    host = "127.0.0.1" if settings.host in _EVERY_INTERFACE else settings.host
    request = urllib.request.Request(f"http://{host}:{settings.port}/healthz")
    if settings.token is not None:
        request.add_header("Authorization", f"Bearer {settings.token.get_secret_value()}")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(request, timeout=_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as error:
        # It asks for a token that was made later, which nobody tells this process.
        if error.code != HTTPStatus.UNAUTHORIZED or settings.token is not None:
            _say(error)
    except OSError as error:
        _say(error)


def _say(error: OSError) -> None:
    sys.stderr.write(f"{error}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
