"""The Kubernetes manifests as kubectl renders them."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.images import DEPLOY, image

FOLDER = DEPLOY / "kubernetes"
# What an operator puts into the Secret `tally`.
SECRET = {
    "token": "s3cret",
    "services-secret": "s3cret-" * 6,
    "database-url": "postgresql://tally:secret@postgres/tally",
}


@dataclass(frozen=True)
class Manifests:
    """The objects of a kustomization and its components."""

    objects: Sequence[Mapping[str, Any]]

    def of_kind(self, kind: str) -> dict[str, Any]:
        """By name."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def spec(self, kind: str, name: str) -> dict[str, Any]:
        return self.of_kind(kind)[name]["spec"]

    def pod(self, service: str) -> dict[str, Any]:
        return self.spec("Deployment", service)["template"]["spec"]

    def container(self, service: str) -> dict[str, Any]:
        (found,) = self.pod(service)["containers"]
        return found

    def environment(self, service: str) -> dict[str, str]:
        """The image's, and on top of it the manifest's; a Secret's values are made up."""
        variables = self.container(service)["env"]
        own = {one["name"]: one.get("value") or _secret_value(one) for one in variables}
        return image(service).environment | own


def _secret_value(variable: Mapping[str, Any]) -> str:
    source = variable["valueFrom"]["secretKeyRef"]
    assert source["name"] == "tally"
    return SECRET[source["key"]]


@functools.cache
def render(kustomization: str, *components: str) -> Manifests:
    """What `kubectl kustomize` makes of a folder, and of components that an operator adds to it."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"resources": [_from(folder, kustomization)]}
        own |= {"components": [_from(folder, f"components/{name}") for name in components]}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(own))
        command = [_kubectl(), "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return Manifests(list(yaml.safe_load_all(done.stdout)))


def _from(folder: str, path: str) -> str:
    return os.path.relpath(FOLDER / path, Path(folder).resolve())


def _kubectl() -> str:
    """That of the tests' own environment, before another of this machine."""
    beside = Path(sys.executable).parent
    found = shutil.which("kubectl", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    assert found, "kubectl not found: it is among the packages of `.[dev]`"
    return found
