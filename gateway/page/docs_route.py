"""The REST API at /docs, as Swagger UI shows it: from an installed package, from no other host."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Response

from gateway.errors import Missing
from gateway.page.assets import Asset, load_asset
from gateway.page.page_route import Encodings, Tags, send_asset
from tally.messages.message import Message

_PACKAGE = "fastapi_offline"
_FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css"})
_HEADERS = {
    # Swagger UI writes styles into its elements.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tally: the REST API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
# It would ask another host whether the document is valid.
_START = "SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null });\n"


def docs_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def page() -> Response:
        return Response(_PAGE, media_type="text/html", headers=_HEADERS)

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_HEADERS)

    @router.get("/docs/{name}")
    def file(name: str, tags: Tags = None, encodings: Encodings = "") -> Response:
        if name not in _FILES:
            raise Missing.at("name", Message("no_such_docs_file"))
        return send_asset(_load(name), _HEADERS, tags, encodings)

    return router


@cache
def _load(name: str) -> Asset:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise Missing.at("name", Message("docs_not_installed", package=_PACKAGE))
    return load_asset(Path(package.origin).parent / "static" / name)
