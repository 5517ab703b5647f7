"""The rules of the house: who may import whom, and where protobuf types may be."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICES = {"reward_service", "rollout_service", "learner_service", "gateway"}
HOUSE = SERVICES | {"rpc", "cli", "samples", "tally", "torch_compat", "vision_tower"}
MAY_IMPORT = {
    "rpc": {"tally"},
    "reward_service": {"rpc", "tally"},
    "rollout_service": {"rpc", "tally", "torch_compat", "vision_tower"},
    "learner_service": {"rpc", "tally", "torch_compat", "vision_tower"},
    "gateway": {"rpc", "tally"},
    "cli": {"samples"},
    "samples": {"torch_compat"},
    "torch_compat": set(),
    "vision_tower": set(),
}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_a_folder_imports_only_what_it_may(folder: str):
    for path in sources(folder):
        roots = {module.split(".")[0] for module in imported_modules(path)}
        assert roots & (HOUSE - {folder}) <= MAY_IMPORT[folder], path


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_protobuf_types_stay_at_the_rim(service: str):
    for path in sources(service):
        messages = {m for m in imported_modules(path) if m.startswith("tally.")}
        rim = path.stem.endswith(("servicer", "client")) or path.stem in RIM
        assert not messages or rim, path


# The learner's two clients are named after what they bring, see "The path of a step".
RIM = {"convert", "__main__", "rollouts", "rewards"}


def test_the_reward_service_needs_no_torch_and_the_gateway_no_model_code():
    for folder, barred in {
        "reward_service": {"torch", "transformers", "fastapi"},
        "rpc": {"torch", "transformers", "fastapi"},
        "gateway": {"torch", "transformers", "peft"},
        "cli": {"torch", "transformers", "fastapi"},
    }.items():
        for path in sources(folder):
            roots = {module.split(".")[0] for module in imported_modules(path)}
            assert not roots & barred, path


def test_every_package_is_shipped():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts).removeprefix("protos.")
        for folder in [*HOUSE - {"tally"}, "protos"]
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(settings["packages"])


def test_no_file_grows_beyond_its_noun():
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in (HOUSE | {"bench"}) - {"tally"}
        for path in sources(folder)
        if len(path.read_text().splitlines()) > 250
    }
    assert set(long) <= REASONED, long


# Longer than 250 lines for a reason: the step of an algorithm reads best in one place.
REASONED = {
    "learner_service/grpo/trainer.py",
    "samples/pretrain.py",
    "learner_service/jobs/job_store.py",
}


def test_the_learners_own_process_starts_without_torch():
    """Only its workers hold a model; what the service itself asks is brought in on demand."""
    code = "import sys, learner_service.__main__; sys.exit('torch' in sys.modules)"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "protos")])
    environment = os.environ | {"PYTHONPATH": paths}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )
