"""The files of the page: our own, and the chart library's where they are installed."""

import gzip
from pathlib import Path
from typing import NamedTuple

from gateway.page import charts
from tally.rpc.digests import digest_of

_TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "svg": "image/svg+xml",
}
INDEX = "index.html"


class Asset(NamedTuple):
    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def load_assets(charts_folder: Path = charts.FOLDER) -> dict[str, Asset]:
    """Every file of the page by its name under /ui/."""
    static = Path(__file__).parent / "static"
    contents = {path.name: path.read_bytes() for path in static.iterdir() if path.is_file()}
    if charts.are_installed(charts_folder):
        for name in ("uplot.js", "uplot.css"):
            contents[name] = (charts_folder / name).read_bytes()
    else:
        contents[INDEX] = _without_charts(contents[INDEX])
    return {name: _asset(name, content) for name, content in contents.items()}


def load_asset(path: Path) -> Asset:
    """A file from elsewhere."""
    return _asset(path.name, path.read_bytes())


def _without_charts(index: bytes) -> bytes:
    """The page asks for no library that isn't there; where a curve would be, it says so."""
    return b"".join(line for line in index.splitlines(True) if b"/ui/uplot." not in line)


def _asset(name: str, content: bytes) -> Asset:
    suffix = name.rpartition(".")[2]
    compressed = gzip.compress(content, mtime=0)
    return Asset(content, compressed, _TYPES[suffix], f'"{digest_of(content)[:32]}"')
