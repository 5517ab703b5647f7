"""The page at /ui. It holds no data: whoever may load it still needs the token to see any."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Response

from gateway.errors import Missing
from gateway.page.assets import INDEX, Asset, load_assets

PREFIX = "/ui"

_HEADERS = {
    # No inline script or style, no other origin, no string that becomes code.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
_Tags = Annotated[str | None, Header(alias="If-None-Match")]
_Encodings = Annotated[str, Header(alias="Accept-Encoding")]


def page_router() -> APIRouter:
    """Serves the page from memory, so that it comes at once while the machine trains."""
    router = APIRouter(include_in_schema=False)
    assets = load_assets()

    @router.get(PREFIX, summary="The page for a browser")
    @router.get(PREFIX + "/")
    async def index(tags: _Tags = None, encodings: _Encodings = "") -> Response:
        return _answer(assets[INDEX], tags, encodings)

    @router.get(PREFIX + "/{name}")
    async def asset(name: str, tags: _Tags = None, encodings: _Encodings = "") -> Response:
        return _answer(_find(assets, name), tags, encodings)

    return router


def _find(assets: Mapping[str, Asset], name: str) -> Asset:
    if name not in assets:
        raise Missing.at("name", "the page has no such file; open /ui")
    return assets[name]


def _answer(asset: Asset, tags: str | None, encodings: str) -> Response:
    headers = {**_HEADERS, "ETag": asset.etag}
    if tags is not None and asset.etag in tags:
        return Response(status_code=304, headers=headers)
    if "gzip" in encodings:
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
