"""Bills of materials are made without a network and name all of a lock; CI asks for advisories."""

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from packaging.utils import canonicalize_name

from deploy import audit_locks, write_boms
from deploy.write_locks import CONSTRAINTS, IMAGES, ROOT
from tests.deploy.test_locks import PROJECT, pinned

WORKFLOW = ROOT / ".github" / "workflows" / "supply-chain.yml"
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("image", IMAGES)
def test_a_bill_of_materials_names_every_package_of_the_lock(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    bom = json.loads(write_boms.write_bom(image, tmp_path).read_text())
    assert bom["bomFormat"] == "CycloneDX"
    listed = {canonicalize_name(one["name"]): one["version"] for one in bom["components"]}
    assert listed == pinned(image)
    assert all(one["purl"].startswith("pkg:pypi/") for one in bom["components"])
    assert bom["metadata"]["component"]["name"] == PROJECT["name"]


def test_the_same_lock_gives_the_same_bill(tmp_path: Path):
    first = write_boms.write_bom("reward", tmp_path).read_bytes()
    assert write_boms.write_bom("reward", tmp_path).read_bytes() == first


def test_every_lock_is_audited(monkeypatch: pytest.MonkeyPatch):
    """What is asked for: the advisories themselves are not to be had in every place."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(returncode=int(len(asked) == 2))

    monkeypatch.setattr(audit_locks.subprocess, "run", run)
    assert audit_locks.audit(["--desc"]) == 1
    named = [one for command in asked for one in command if one.startswith("--requirement=")]
    assert {Path(one.partition("=")[2]).stem for one in named} == {*IMAGES, *CONSTRAINTS}
    assert all(command[-1] == "--desc" for command in asked)
    # Where the advisories can't be reached, that is no good news.
    assert sum("--strict" in command for command in asked) == len(IMAGES)


def test_what_ci_runs_is_there():
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["supply-chain"]["steps"]
    commands = [step["run"].split() for step in steps if "run" in step]
    [install, bill, audit] = commands
    assert install[-2:] == ["deploy/locks/dev.txt", "cyclonedx-bom"]
    assert (bill[:2], find_spec(bill[2]) is not None) == (["python", "-m"], True)
    assert audit == ["make", "audit"]
