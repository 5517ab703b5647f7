"""The page at /ui. It holds no data: whoever may load it still needs the token to see any."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Response

from gateway.errors import Missing
from gateway.page.assets import INDEX, Asset, load_assets
from tally.messages.message import Message

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
Tags = Annotated[str | None, Header(alias="If-None-Match")]
Encodings = Annotated[str, Header(alias="Accept-Encoding")]


def page_router() -> APIRouter:
    """Serves the page from memory, so that it comes at once while the machine trains."""
    router = APIRouter(include_in_schema=False)
    assets = load_assets()

    @router.get(PREFIX, summary="The page for a browser")
    @router.get(PREFIX + "/")
    async def index(tags: Tags = None, encodings: Encodings = "") -> Response:
        return send_asset(assets[INDEX], _HEADERS, tags, encodings)

    @router.get(PREFIX + "/{name}")
    async def asset(name: str, tags: Tags = None, encodings: Encodings = "") -> Response:
        return send_asset(_find(assets, name), _HEADERS, tags, encodings)

    return router


def _find(assets: Mapping[str, Asset], name: str) -> Asset:
    if name not in assets:
        raise Missing.at("name", Message("no_such_page_file"))
    return assets[name]


def send_asset(
    asset: Asset, headers: Mapping[str, str], tags: str | None, encodings: str
) -> Response:
    """A file with its tag, packed where the browser takes it so; 304 where it has it."""
    headers = {**headers, "ETag": asset.etag}
    if tags is not None and asset.etag in tags:
        return Response(status_code=304, headers=headers)
    if "gzip" in encodings:
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
