"""docker-compose.yml: it parses, refuses to go without its secrets, and names what exists."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from tally.job.settings import TrainingConfig
from tests.deploy.images import DEPLOY, ROOT, SETTINGS, image, read_settings, unknown_settings

SECRETS = {
    "TALLY_DATABASE_PASSWORD": "p@ss/w:rd",
    "TALLY_TOKEN": "s3cret",
    "TALLY_SERVICES_SECRET": "s3cret-" * 6,
}
GRPC = {"reward", "learner", "rollout"}
HOSTS = {"blob": "learner"}  # who serves what a setting is named after
FILES = ("docker-compose.yml",)
TLS = "deploy/tls.yml"
services = pytest.mark.parametrize("service", sorted(SETTINGS))


def compose(
    *arguments: str, files: Sequence[str] = FILES, **variables: str
) -> subprocess.CompletedProcess[str]:
    """docker-compose where it is there, else the plugin of docker."""
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLY")}
    options = [option for name in files for option in ("--file", str(ROOT / name))]
    return subprocess.run(
        [*program, *options, *arguments],
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    return resolve()


def resolve() -> dict[str, Any]:
    """The file with its secrets set. Versions of docker-compose each print it another way."""
    text = (ROOT / "docker-compose.yml").read_text()
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: SECRETS[found[1]], text)
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


def environment_of(resolved: dict[str, Any], service: str) -> dict[str, str]:
    """The image's, and on top of it the file's."""
    own = resolved["services"][service].get("environment", {})
    return image(service).environment | {name: str(value) for name, value in own.items()}


def test_docker_compose_accepts_the_file():
    done = compose("config", "--quiet", **SECRETS)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_a_secret_that_is_unset_is_named(secret: str):
    unset = {name: value for name, value in SECRETS.items() if name != secret}
    for variables in (unset, unset | {secret: ""}):
        done = compose("config", **variables)
        assert done.returncode != 0
        assert f"set {secret}" in done.stderr


def test_the_example_of_settings_sets_what_the_file_asks_for():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?\s?([A-Z0-9_]+)=", example, re.MULTILINE))
    assert named == set(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "docker-compose.yml").read_text()))
    empty = set(re.findall(r"^([A-Z0-9_]+)=$", example, re.MULTILINE))
    assert empty == set(SECRETS)


def test_every_service_of_ours_is_there_and_built_from_its_dockerfile(resolved):
    assert set(resolved["services"]) == {*SETTINGS, "postgres"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for service in SETTINGS:
        described = resolved["services"][service]
        assert described["image"] == f"tally-{service}:{version}"
        assert described["build"]["context"] == "."
        assert ROOT / described["build"]["dockerfile"] == DEPLOY / f"{service}.Dockerfile"


@services
def test_every_setting_exists(service: str, resolved, monkeypatch):
    environment = environment_of(resolved, service)
    assert not unknown_settings(service, environment)
    read_settings(service, environment, monkeypatch)


@services
def test_every_target_is_a_service_at_its_port(service: str, resolved):
    for name, value in environment_of(resolved, service).items():
        if name.endswith("__TARGET"):
            other, port = re.fullmatch(r"dns:///(\w+):(\d+)", value).groups()
            assert image(other).values("EXPOSE") == [port]
            part = name.removesuffix("__TARGET").rpartition("_")[2].lower()
            assert other == HOSTS.get(part, part)


def test_the_gateway_reaches_the_database_that_is_there(resolved, monkeypatch):
    settings = read_settings("gateway", environment_of(resolved, "gateway"), monkeypatch)
    database = resolved["services"]["postgres"]["environment"]
    url = settings.database_url.get_secret_value()
    assert url == f"postgresql://{database['POSTGRES_USER']}@postgres/{database['POSTGRES_DB']}"
    password = environment_of(resolved, "gateway")["PGPASSWORD"]
    assert password == database["POSTGRES_PASSWORD"] == SECRETS["TALLY_DATABASE_PASSWORD"]


def test_learner_and_rollout_name_one_base_model(resolved):
    (model,) = json.loads(environment_of(resolved, "learner")["TALLY_LEARNER_MODELS"])
    assert environment_of(resolved, "rollout")["TALLY_ROLLOUT_MODEL"] == model


def test_replicas_hold_the_base_as_a_job_does_by_default(resolved, monkeypatch):
    settings = read_settings("rollout", environment_of(resolved, "rollout"), monkeypatch)
    assert settings.use_4bit == TrainingConfig().use_4bit
    assert "vllm-4bit" in (DEPLOY / "rollout.Dockerfile").read_text()


def test_the_gateway_alone_is_published_and_rollout_can_be_scaled(resolved):
    published = {name for name, service in resolved["services"].items() if service.get("ports")}
    assert published == {"gateway"}
    assert not any("container_name" in service for service in resolved["services"].values())
    mounts = {volume.split(":")[0] for volume in resolved["services"]["rollout"]["volumes"]}
    assert mounts == {"models", "gpus"}, "replicas share every volume they mount"


def test_services_start_after_those_they_need_and_only_when_these_are_well(resolved):
    needs = {
        name: set(service.get("depends_on", {}))
        for name, service in resolved["services"].items()
    }  # fmt: skip
    assert needs == {
        "postgres": set(),
        "reward": set(),
        "learner": {"reward"},
        "rollout": {"learner"},
        "gateway": {"postgres", "reward", "learner"},
    }
    for service in resolved["services"].values():
        for need in service.get("depends_on", {}).values():
            assert need == {"condition": "service_healthy"}
    assert "healthcheck" in resolved["services"]["postgres"]


@services
def test_it_is_stopped_later_than_it_drains(service: str, resolved, monkeypatch):
    settings = read_settings(service, environment_of(resolved, service), monkeypatch)
    drain = settings.server.drain_seconds if service in GRPC else settings.drain_seconds
    drain += getattr(settings, "worker_stop_seconds", 0)
    grace = resolved["services"][service]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > drain


@pytest.mark.parametrize("service", ["learner", "rollout"])
def test_gpus_are_reserved_and_the_command_is_the_images(service: str, resolved):
    described = resolved["services"][service]
    (device,) = described["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    launcher, command = described["entrypoint"][:3], described["entrypoint"][-3:]
    assert command == image(service).entrypoint
    assert launcher == ["python", "-m", "tally.host.free_gpus"]


@pytest.mark.parametrize("service", ["learner", "rollout", "gateway"])
def test_volumes_are_named_and_lie_where_the_user_may_write(service: str, resolved):
    owned = " ".join(image(service).commands)
    for volume in resolved["services"][service]["volumes"]:
        name, path = volume.split(":")[:2]
        assert name in resolved["volumes"]
        assert f" {path}" in owned
    folders = {v for k, v in environment_of(resolved, service).items() if k.endswith("DATA_DIR")}
    mounted = {volume.split(":")[1] for volume in resolved["services"][service]["volumes"]}
    assert folders <= mounted


def test_tls_gives_every_server_and_client_its_services_certificate(monkeypatch):
    files = (*FILES, TLS)
    done = compose("config", "--quiet", files=files, **SECRETS, TALLY_TLS_DIR="/certificates")
    assert (done.returncode, done.stderr) == (0, "")
    described = yaml.safe_load((ROOT / TLS).read_text())["services"]
    for service, options in described.items():
        settings = read_settings(service, options["environment"], monkeypatch)
        parts = [part for _, part in settings if hasattr(part, "tls")]
        assert {part.tls.certificate_path.name for part in parts} == {f"{service}.pem"}
        assert not unknown_settings(service, options["environment"])
    assert set(described) == set(SETTINGS)


def test_the_guide_names_variables_that_exist(resolved):
    guide = (ROOT / "docs" / "deploy.md").read_text()
    named = set(re.findall(r"`(TALLY_\w+)`", guide))
    files = "".join((ROOT / name).read_text() for name in (*FILES, TLS))
    compose_only = set(re.findall(r"\$\{(TALLY_\w+)", files))
    unknown = {
        name
        for name in named - compose_only
        if all(unknown_settings(service, {name: ""}) for service in SETTINGS)
    }
    assert not unknown
