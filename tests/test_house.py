"""The rules of the house: who may import whom, and where protobuf types may be."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICES = {"reward_service", "rollout_service", "learner_service", "gateway"}
MODEL_CODE = {
    "tally.families",
    "tally.sampling",
    "tally.torch_compat",
    "tally.torch_engine",
    "tally.weights",
}
CONTRACTS = {"tally.blob", "tally.learner", "tally.reward", "tally.rollout"}
MAY_IMPORT = {
    "tally.annotations": set(),
    "tally.logs": {"tally.text"},
    "tally.rpc": {"tally.host", "tally.logs", "tally.text", "tally.traces", *CONTRACTS},
    "tally.messages": {"tally.learner", "tally.rpc"},
    "tally.metrics": {"tally.rpc"},
    "tally.traces": {"tally.logs"},
    "tally.cli": {
        "tally.annotations",
        "tally.client",
        "tally.host",
        "tally.samples",
        "tally.text",
    },
    "tally.client": {"tally.text"},
    "tally.database": {"tally.rpc"},
    "tally.host": set(),
    "tally.text": set(),
    "tally.samples": {"tally.families", "tally.torch_compat"},
    "tally.sampling": {"tally.families", "tally.host", "tally.rpc"},
    "tally.torch_compat": set(),
    "tally.torch_engine": {
        "tally.families",
        "tally.host",
        "tally.rpc",
        "tally.sampling",
        "tally.weights",
    },
    "tally.families": set(),
    "tally.weights": {"tally.families", "tally.host", "tally.torch_compat"},
    "tally.job": set(),
    "reward_service": {
        "tally.host",
        "tally.logs",
        "tally.metrics",
        "tally.rpc",
        "tally.text",
        "tally.traces",
        *CONTRACTS,
    },
    "rollout_service": {
        "tally.host",
        "tally.logs",
        "tally.metrics",
        "tally.rpc",
        "tally.sampling",
        "tally.text",
        "tally.torch_compat",
        "tally.torch_engine",
        "tally.traces",
        "tally.families",
        "tally.weights",
        *CONTRACTS,
    },
    "learner_service": {
        "tally.database",
        "tally.host",
        "tally.logs",
        "tally.messages",
        "tally.metrics",
        "tally.rpc",
        "tally.job",
        "tally.sampling",
        "tally.text",
        "tally.torch_compat",
        "tally.torch_engine",
        "tally.traces",
        "tally.families",
        "tally.weights",
        *CONTRACTS,
    },
    "gateway": {
        "tally.annotations",
        "tally.database",
        "tally.host",
        "tally.logs",
        "tally.messages",
        "tally.metrics",
        "tally.rpc",
        "tally.job",
        "tally.text",
        "tally.traces",
        *CONTRACTS,
    },
}
# Longer than 250 lines for a reason: the step of an algorithm reads best in one place.
REASONED = {
    "tally/client/answers.py",  # generated
}
# The learner's two clients are named after what they bring, see "The path of a step".
RIM = {
    "convert",
    "chat_convert",
    "preflight_convert",
    "spec_convert",
    "__main__",
    "rollouts",
    "rewards",
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package.replace(".", "/")).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Every module that a file names in an import, `from package import module` as well."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def package_of(module: str) -> str | None:
    """The part of the house that a module belongs to: a service, or a package of `tally`."""
    parts = module.split(".")
    if parts[0] in SERVICES:
        return parts[0]
    return ".".join(parts[:2]) if parts[0] == "tally" and len(parts) > 1 else None


def test_every_package_of_the_house_has_its_rule():
    packages = {f"tally.{path.parent.name}" for path in (ROOT / "tally").glob("*/__init__.py")}
    assert packages | SERVICES == set(MAY_IMPORT) | CONTRACTS


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_it_may(package: str):
    for path in sources(package):
        packages = {package_of(module) for module in imported_modules(path)}
        assert packages - {None, package} <= MAY_IMPORT[package], path


def room_of(package: str, module: str) -> str:
    """The folder of a package that a module lies in; a module beside the folders is its own."""
    return module.removeprefix(package).lstrip(".").split(".")[0]


def imports_between_rooms(package: str) -> Iterator[tuple[str, str]]:
    folder = ROOT / package.replace(".", "/")
    for path in sources(package):
        own = path.relative_to(folder).with_suffix("").parts[0]
        for module in imported_modules(path):
            if module.startswith(f"{package}."):
                yield own, room_of(package, module)


@pytest.mark.parametrize(
    "package", sorted(SERVICES | {"tally.cli", "tally.client", "tally.families"})
)
def test_no_folder_imports_one_that_imports_it(package: str):
    rooms: dict[str, set[str]] = {}
    for room, imported in imports_between_rooms(package):
        rooms.setdefault(room, set()).update({imported} - {room})
    graphlib.TopologicalSorter(rooms).prepare()  # raises CycleError with the folders in it


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_protobuf_types_stay_at_the_rim(service: str):
    for path in sources(service):
        messages = {m for m in imported_modules(path) if package_of(m) in CONTRACTS}
        rim = path.stem.endswith(("servicer", "client")) or path.stem in RIM
        assert not messages or rim, path


def test_the_reward_service_needs_no_torch_and_the_gateway_no_model_code():
    for package, barred in {
        "reward_service": {"torch", "transformers", "fastapi"},
        "tally.logs": {"torch", "transformers", "fastapi"},
        "tally.rpc": {"torch", "transformers", "fastapi"},
        "tally.metrics": {"torch", "transformers", "fastapi"},
        "tally.traces": {"torch", "transformers", "fastapi"},
        "tally.database": {"torch", "transformers", "fastapi"},
        "gateway": {"torch", "transformers", "peft"},
        "tally.job": {"torch", "transformers", "fastapi"},
        "tally.cli": {"torch", "transformers", "fastapi"},
        "tally.client": {"torch", "transformers", "fastapi", "typer", "rich", "grpc"},
    }.items():
        for path in sources(package):
            roots = {module.split(".")[0] for module in imported_modules(path)}
            assert not roots & barred, path


def test_only_the_rim_of_the_gateway_knows_fastapi():
    for path in sources("gateway"):
        roots = {module.split(".")[0] for module in imported_modules(path)}
        rim = path.relative_to(ROOT / "gateway").parts[0] in {"app.py", "http", "page", "routes"}
        assert rim or not roots & {"fastapi", "starlette", "uvicorn"}, path


def test_no_code_of_a_models_own_is_ever_trusted():
    """Nothing says yes to it, nor asks a person: transformers' default is no."""
    for package in MAY_IMPORT:
        for path in sources(package):
            trusting = re.sub(r"[\"']?trust_remote_code[\"']?\s*[:=]\s*False", "", path.read_text())
            assert "trust_remote_code" not in trusting, path


def test_no_file_grows_beyond_its_noun():
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in [*MAY_IMPORT, "bench"]
        for path in sources(package)
        if len(path.read_text().splitlines()) > 250
    }
    assert set(long) <= REASONED, long


IMPORTS_EVERY_MODULE = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        importlib.import_module(module.name)
sys.exit("torch" in sys.modules)
"""


@pytest.mark.parametrize("name", ["learner_service.queue", "learner_service.__main__"])
def test_the_learners_own_process_starts_without_torch(name: str):
    """Only its workers hold a model; what the service answers itself brings torch when asked."""
    command = [sys.executable, "-c", IMPORTS_EVERY_MODULE, name]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_the_learners_two_processes_share_only_what_lies_below_them():
    imports = set(imports_between_rooms("learner_service"))
    assert not imports & {("queue", "worker"), ("worker", "queue")}
    grounds = {"blobs", "errors", "events", "job_folder", "models", "phases"}
    grounds |= {"process_end", "settings", "spec", "worker_access", "worker_place"}
    assert {imported for room, imported in imports if room == "queue"} <= grounds | {"queue"}
