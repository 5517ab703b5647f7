"""How this machine reaches its registries, told to what is built in a chroot."""

import os
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


class Registries:
    """pip's and npm's own settings and the files that these name, as mounts of a build: what is
    mounted is in no image."""

    def __init__(self, folder: Path) -> None:
        pip, npm = _pip_settings(), _npm_settings()
        self._files = {
            folder / "pip.conf": "/etc/pip.conf",
            folder / "npmrc": "/root/.npmrc",
        }
        (folder / "pip.conf").write_text("[global]\n" + _lines(pip))
        (folder / "npmrc").write_text(_lines(npm))
        self._named = sorted({path for value in (pip | npm).values() for path in _paths(value)})

    @property
    def mounts(self) -> list[str]:
        """`--volume` and its value, for each."""
        pairs = [f"{source}:{target}:ro" for source, target in self._files.items()]
        pairs += [f"{path}:{path}:ro" for path in self._named]
        return [option for pair in pairs for option in ("--volume", pair)]


def _pip_settings() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in listing.splitlines())
    settings = _certificates("cert")
    for scope in ("global.", "install.", ":env:."):  # the last one counts
        own = {name: value for name, value in found.items() if name.startswith(scope)}
        settings |= {name.removeprefix(scope): literal_eval(v) for name, v in own.items()}
    return settings


def _npm_settings() -> dict[str, str]:
    settings = _certificates("cafile")
    for name in ("registry", "cafile"):
        command = ["npm", "config", "get", name]
        value = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if value not in {"", "null", "undefined"}:
            settings[name] = value
    return settings


def _certificates(name: str) -> dict[str, str]:
    """The bundle that this machine's programs trust, where it has one of its own."""
    named = [os.environ[bundle] for bundle in _BUNDLES if os.environ.get(bundle)]
    return {name: named[0]} if named else {}


def _lines(settings: dict[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _paths(value: str) -> Iterator[Path]:
    for word in value.split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            # The pages of an index name files that lie beside it.
            yield path.parent if word.startswith("file://") else path
