"""The Dockerfiles name only what is there, and keep the rules for images."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.page.charts import VERSION
from tests.deploy.images import (
    DEPLOY,
    ROOT,
    SETTINGS,
    context_paths,
    copied_paths,
    image,
    read_settings,
    stages,
    unknown_settings,
)
from tests.test_house import MAY_IMPORT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
services = pytest.mark.parametrize("service", sorted(SETTINGS))


def test_hadolint_finds_nothing():
    files = sorted(map(str, DEPLOY.glob("*.Dockerfile")))
    assert len(files) == len(SETTINGS)
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@services
def test_every_stage_starts_from_one_pinned_slim_base_of_the_projects_python(service: str):
    (base,) = {stage.base for stage in stages(service) if stage.name != "charts"}
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-bookworm", base)[1]
    assert f">={version}" in PROJECT["requires-python"]


def test_the_gateway_brings_the_chart_library_that_its_page_knows():
    (charts,) = [stage for stage in stages("gateway") if stage.name == "charts"]
    assert re.fullmatch(r"node:\d+\.\d+\.\d+-bookworm-slim", charts.base)
    assert charts.commands == [f"npm pack uplot@{VERSION} --ignore-scripts"]
    install = f"python -m gateway.page.charts /charts/uplot-{VERSION}.tgz"
    assert any(command.endswith(install) for command in image("gateway").commands)


@services
def test_it_runs_as_a_numeric_user_who_is_not_root_and_owns_its_folders(service: str):
    (user,) = image(service).values("USER")
    number = user.split(":")[0]
    assert int(number) > 0
    assert f"install --directory --owner {number}" in " ".join(image(service).commands)


@services
def test_its_environment_is_read_by_its_settings(service: str, monkeypatch):
    environment = image(service).environment
    assert not unknown_settings(service, environment)
    secret = {f"TALLY_{service.upper()}_SERVICES_SECRET": "s3cret-" * 6}
    settings = read_settings(service, environment | secret, monkeypatch)
    server = getattr(settings, "server", settings)
    assert server.host == "0.0.0.0"
    assert image(service).values("EXPOSE") == [str(server.port)]
    default = SETTINGS[service].model_construct()
    assert server.port == getattr(default, "server", default).port


@pytest.mark.parametrize("service", sorted(set(SETTINGS) - {"gateway"}))
def test_a_grpc_service_does_not_start_without_the_secret(service: str, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        read_settings(service, image(service).environment, monkeypatch)
    assert "services_secret" in capsys.readouterr().err


@services
def test_its_commands_are_modules_that_exist(service: str):
    for command in (image(service).entrypoint, image(service).health_check):
        assert command[:2] == ["python", "-m"]
        assert importlib.util.find_spec(command[2])
    prefix = SETTINGS[service].model_config["env_prefix"]
    assert image(service).health_check[3:] in ([], [prefix])


@services
def test_it_holds_what_the_service_may_import_and_no_more(service: str):
    module = image(service).entrypoint[2]
    held = copied_paths(service) - {"tally_grpo-*.dist-info", "tally/py.typed", "tally/__init__.py"}
    assert held == {name.replace(".", "/") for name in {module, *MAY_IMPORT[module]}}


@services
def test_every_copied_path_exists_and_is_in_the_context(service: str):
    allowed = context_paths()
    assert all((ROOT / path).exists() for path in allowed)
    for stage in stages(service):
        for value in stage.values("COPY"):
            sources = [] if value.startswith("--from=") else stage.copied(value)[0]
            assert all((ROOT / source).exists() for source in sources)
            assert all(source == "." or source.startswith(tuple(allowed)) for source in sources)


@services
def test_dependencies_come_from_a_lock_and_before_code(service: str):
    stage = stages(service)[0]
    ((source,), target) = stage.copied(*stage.values("COPY"))
    assert Path(source).parent == Path("deploy/locks")
    assert Path(source).stem == {"rollout": "vllm-4bit"}.get(service, service)
    assert f"install --require-hashes --requirement {target}" in stage.commands[0]
    assert image(service).values("COPY")[:2] == [
        "--from=dependencies /opt/venv /opt/venv",
        "--from=code /app /app",
    ]
