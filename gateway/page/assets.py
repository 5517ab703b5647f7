"""The files of the page: our own, and the chart library's from its installed package."""

import gzip
from importlib.metadata import distribution
from importlib.resources import files
from typing import NamedTuple

from tally.rpc.digests import digest_of

_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "svg": "image/svg+xml",
}
# youplot carries the files that uPlot's author published. Its Python code is never imported, and
# index.html names the script's digest, so that a browser runs these very bytes or none.
_CHARTS = {
    "uplot.js": "youplot/vendor/uplot.iife.min.js",
    "uplot.css": "youplot/vendor/uplot.min.css",
}
INDEX = "index.html"


class Asset(NamedTuple):
    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    """Every file of the page by its name under /ui/."""
    own = {
        file.name: file.read_bytes() for file in (files("gateway") / "page" / "static").iterdir()
    }
    package = distribution("youplot")
    charts = {name: package.locate_file(place).read_bytes() for name, place in _CHARTS.items()}
    return {name: _asset(name, content) for name, content in (own | charts).items()}


def _asset(name: str, content: bytes) -> Asset:
    suffix = name.rpartition(".")[2]
    compressed = gzip.compress(content, mtime=0)
    return Asset(content, compressed, _TYPES[suffix], f'"{digest_of(content)[:32]}"')
