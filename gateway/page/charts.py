"""`python -m gateway.page.charts`: brings the files of uPlot, which draws the curves, from npm.

They are not part of this repository. Each is known by its digest: it is those very bytes or none.
"""

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

VERSION = "1.6.31"
FOLDER = Path(__file__).parent / "static" / "vendor"
_NPM_SECONDS = 120


class ChartFile(NamedTuple):
    """Its path in the npm package, and its digest as `integrity` of HTML has it."""

    member: str
    integrity: str


FILES = {
    "uplot.js": ChartFile(
        "package/dist/uPlot.iife.min.js",
        "sha384-XMP23k7YSCFr13Xrkxh4IO0v1W+8fB6AP+3Vycxphp2Z0V2vocAZHyuGaFCysrtM",
    ),
    "uplot.css": ChartFile(
        "package/dist/uPlot.min.css",
        "sha384-IfV0B7MIOYuO95kO9G5ySKPz/85zqFNOAs8iy4tkK5zd9izhJAB8b7lHrwYqqmYE",
    ),
    "uplot.LICENSE": ChartFile(
        "package/LICENSE",
        "sha384-LBMwZlHtMnim4BBA9gOI4OOPUI5cNjaxzIZCJRYYEyIykienqB4X7/vxq0t1Ihgd",
    ),
}


class ChartsError(Exception):
    """The files can't be had; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with 1 and a sentence where the files can't be had."""
    parser = argparse.ArgumentParser("python -m gateway.page.charts", description=__doc__)
    parser.add_argument("tarball", nargs="?", type=Path, help="what `npm pack` wrote, if it did")
    try:
        install(FOLDER, parser.parse_args(arguments).tarball)
    except (ChartsError, OSError, tarfile.TarError, subprocess.TimeoutExpired) as error:
        sys.exit(f"The page has no curves yet: {error}")


def install(folder: Path, tarball: Path | None = None) -> None:
    """Puts the files into `folder` unless they are there; without `tarball`, npm fetches it.

    Raises ChartsError, and leaves nothing where a digest is another.
    """
    if are_installed(folder):
        return
    with tempfile.TemporaryDirectory() as scratch:
        contents = _unpack(tarball or _pack(Path(scratch)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            staged = Path(scratch) / name
            staged.write_bytes(content)
            shutil.move(staged, folder / name)


def are_installed(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and _integrity_of((folder / name).read_bytes()) == file.integrity
        for name, file in FILES.items()
    )


def _pack(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        again = "then run `make charts`, or `python -m gateway.page.charts`"
        raise ChartsError(f"npm is not on this machine; install Node.js with npm, {again}")
    done = subprocess.run(
        [npm, "pack", f"uplot@{VERSION}", "--ignore-scripts", "--pack-destination", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_NPM_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ChartsError(f"npm could not fetch uplot@{VERSION}:\n{done.stderr.strip()}")
    return folder / f"uplot-{VERSION}.tgz"


def _unpack(tarball: Path) -> dict[str, bytes]:
    with tarfile.open(tarball) as archive:
        contents = {name: _read(archive, file.member) for name, file in FILES.items()}
    for name, content in contents.items():
        if _integrity_of(content) != FILES[name].integrity:
            raise ChartsError(f"{FILES[name].member} is not that of uplot@{VERSION}")
    return contents


def _read(archive: tarfile.TarFile, member: str) -> bytes:
    try:
        file = archive.extractfile(member)
    except KeyError:
        file = None
    if file is None:
        raise ChartsError(f"the package holds no {member}")
    return file.read()


def _integrity_of(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


if __name__ == "__main__":
    main()
