"""The locks satisfy pyproject.toml, and hold nothing but names, versions and digests."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.write_locks import CONSTRAINTS, IMAGES, LOCKS, PYTHON, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: (name,) for name in IMAGES} | CONSTRAINTS
MARKERS = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
locks = pytest.mark.parametrize("lock", sorted(EXTRAS))


def requirements(extra: str) -> Iterator[Requirement]:
    """What the project and one of its extras ask for, without the project itself."""
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            for other in requirement.extras:
                yield from requirements(other)
        elif not requirement.marker or requirement.marker.evaluate(MARKERS):
            yield requirement


def pinned(lock: str) -> dict[str, str]:
    """Versions by canonical name."""
    text = (LOCKS / f"{lock}.txt").read_text()
    found = re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_there_is_a_lock_for_each_name_and_no_other():
    assert {path.stem for path in LOCKS.glob("*")} == set(EXTRAS)


@locks
def test_a_lock_satisfies_the_project(lock: str):
    """Where it doesn't any more, `make locks` writes it anew."""
    versions = pinned(lock)
    for extra in EXTRAS[lock]:
        for requirement in requirements(extra):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version, prereleases=True), requirement


@locks
def test_a_lock_names_no_place(lock: str):
    text = (LOCKS / f"{lock}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-|/|\./)(?!-hash=sha256:)", text, re.MULTILINE)


@pytest.mark.parametrize("lock", IMAGES)
def test_an_image_knows_every_file_by_its_digest(lock: str):
    text = (LOCKS / f"{lock}.txt").read_text()
    first_digests = re.findall(r"^[\w.-]+==\S+.* \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(first_digests) == len(pinned(lock))


def test_an_extra_of_extras_is_spelt_out():
    names = {requirement.name for requirement in requirements("vllm-4bit")}
    assert {"vllm-bnb-plugin", "vllm", "torch", "grpcio"} <= names
    assert PROJECT["name"] not in names
