"""The images, built from the Dockerfiles as they are and run as compose does, without an engine.

buildah runs each in a chroot and in a network of its own; what a Dockerfile begins with is a
stand-in of Debian's packages.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from packaging.utils import canonicalize_name

from tally.samples.dataset import write_dataset
from tests.deploy.base_images import make_node_image, make_python_image
from tests.deploy.buildah import Buildah
from tests.deploy.containers import Container
from tests.deploy.images import DEPLOY, ROOT, image, stages
from tests.deploy.manifests import render
from tests.deploy.registries import Registries
from tests.deploy.test_compose import SECRETS, resolve
from tests.deploy.test_locks import pinned
from tests.learner_service.host_network import HostNetwork, host_network
from tests.postgres import Postgres, running_postgres

# With the stand-in. Learner and rollout would bring torch and CUDA's libraries, some 8 GB each.
LARGEST_MEGABYTES = {"reward": 250, "gateway": 320}
SERVICES = tuple(LARGEST_MEGABYTES)
INSTALLED = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""
services = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def buildah() -> Iterator[Buildah]:
    if os.geteuid() != 0:
        pytest.skip("only root can build in a chroot")
    missing = [name for name in ("buildah", "debootstrap") if not shutil.which(name)]
    assert not missing, f"{' and '.join(missing)} not found: `make programs` installs them"
    folder = Path(tempfile.mkdtemp(prefix="tally-images-"))
    try:
        buildah = Buildah(folder)
        yield buildah
        buildah("rm", "--all")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def built(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    mounts = Registries(tmp_path_factory.mktemp("registries")).mounts
    bases = {f"docker.io/library/{stage.base}" for name in SERVICES for stage in stages(name)}
    [python_image] = (name for name in bases if "/python:" in name)
    make_python_image(buildah, python_image)
    for name in bases - {python_image}:
        make_node_image(buildah, python_image, name, mounts)
    for service in SERVICES:
        buildah.build(DEPLOY / f"{service}.Dockerfile", ROOT, f"tally-{service}", mounts)
    return buildah


@pytest.fixture(scope="module")
def network() -> Iterator[HostNetwork]:
    with host_network(len(SERVICES)) as network:
        yield network


@pytest.fixture(scope="module")
def database(network: HostNetwork) -> Iterator[Postgres]:
    with running_postgres(network.own) as database:
        yield database


@pytest.fixture(scope="module")
def containers(
    built: Buildah,
    network: HostNetwork,
    database: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Container]]:
    """All of them, well, and with the environment that compose gives them."""
    numbers = {service: number for number, service in enumerate(SERVICES, start=1)}
    addresses = {service: network.address(number) for service, number in numbers.items()}
    logs = tmp_path_factory.mktemp("logs")
    made = {
        service: Container(
            built,
            service,
            network,
            number,
            addresses=addresses | {"postgres": network.own},
            log=logs / service,
            environment=environment_of(service, database),
        )
        for service, number in numbers.items()
    }
    try:
        for container in made.values():
            container.start()
        yield made
    finally:
        for container in made.values():
            container.close()


def environment_of(service: str, database: Postgres) -> dict[str, str]:
    """Compose's own, but for the port and the name of the database."""
    own = resolve()["services"][service]["environment"]
    environment = {name: str(value) for name, value in own.items()}
    if service == "gateway":
        url = database.create().get_secret_value().replace("127.0.0.1", "postgres")
        environment["TALLY_GATEWAY_DATABASE_URL"] = url
    return environment


@services
def test_it_is_no_larger_than_it_may_be(
    service: str, built: Buildah, capsys: pytest.CaptureFixture
):
    with built.files(f"tally-{service}") as root:
        megabytes = size_bytes(root) / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\ntally-{service}: {megabytes:.0f} MB\n")
    assert megabytes < LARGEST_MEGABYTES[service]


def size_bytes(root: Path) -> int:
    sizes = {}
    for path in root.rglob("*"):
        state = path.lstat()
        sizes[state.st_ino] = state.st_size
    return sum(sizes.values())


@services
def test_it_holds_what_the_lock_pins_and_nothing_that_installs(service: str, containers):
    done = containers[service].run(["python", "-c", INSTALLED])
    installed = {canonicalize_name(name): one for name, one in json.loads(done.stdout).items()}
    del installed["tally-grpo"]
    assert installed
    assert installed.items() <= pinned(lock_of(service)).items()
    assert not {"pip", "setuptools"} & set(installed)


def lock_of(service: str) -> str:
    ((source,), _) = stages(service)[0].copied(*stages(service)[0].values("COPY"))
    return Path(source).stem


@services
def test_it_runs_as_its_user_without_a_capability(service: str, containers):
    status = containers[service].run(["cat", "/proc/self/status"]).stdout
    read = dict(line.split(":", 1) for line in status.splitlines())
    assert set(read["Uid"].split()) == {image(service).values("USER")[0].partition(":")[0]}
    assert not int(read["CapEff"], 16)
    assert containers[service].run(["touch", "/app/new"]).returncode != 0


@services
def test_it_is_well_by_the_health_check_that_the_image_kept(service: str, containers):
    assert containers[service].health_check == image(service).health_check
    assert containers[service].is_healthy()


@services
def test_it_writes_only_where_kubernetes_mounts_a_volume(service: str, containers, tmp_path):
    """Its root is read-only there."""
    upload(containers, tmp_path)
    mounts = render("base").container(service).get("volumeMounts", [])
    folders = [Path(mount["mountPath"]) for mount in mounts]
    for path in containers[service].written():
        assert any(path.is_relative_to(folder) for folder in folders), path


def test_an_upload_reaches_the_reward_service_across_the_network(containers, tmp_path):
    file_id = upload(containers, tmp_path).json()["file_id"]
    rows = ask(containers, "GET", f"/files/{file_id}/rows").json()["rows"]
    assert [row["true_count"] for row in rows] == [1, 2, 3, 4]
    assert all(str(row["true_count"]) in row["answer"] for row in rows)


def test_it_ends_on_sigterm_and_nobody_answers_in_its_place(containers, tmp_path):
    assert containers["reward"].stop() == 0
    assert upload(containers, tmp_path).status_code == 503
    assert containers["gateway"].stop() == 0
    for service in ("reward", "gateway"):
        containers[service].start()
    assert upload(containers, tmp_path).status_code == 200


def upload(containers: Mapping[str, Container], folder: Path) -> requests.Response:
    path = folder / "counts.zip"
    write_dataset(path, scenes=4, seed=5)
    with path.open("rb") as file:
        return ask(containers, "POST", "/upload-data", files={"file": file})


def ask(
    containers: Mapping[str, Container], method: str, path: str, **content: Any
) -> requests.Response:
    url = f"http://{containers['gateway'].address}:8000{path}"
    headers = {"Authorization": f"Bearer {SECRETS['TALLY_TOKEN']}"}
    return requests.request(method, url, headers=headers, timeout=120, **content)
