"""The Kubernetes manifests: valid by Kubernetes' own schemas, and naming what exists."""

import re
import tomllib
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.images import DEPLOY, ROOT, SETTINGS, image, read_settings, unknown_settings

FOLDER = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
SECRET = {
    "token": "s3cret",
    "services-secret": "s3cret-" * 6,
    "database-url": "postgresql://tally:secret@postgres/tally",
}
GRPC = {"reward", "learner", "rollout"}
services = pytest.mark.parametrize("service", sorted(SETTINGS))


def objects() -> list[dict[str, Any]]:
    files = [FOLDER / name for name in KUSTOMIZATION["resources"]]
    return [found for file in files for found in yaml.safe_load_all(file.read_text())]


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = (o for o in objects() if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return found["spec"]


def pod(service: str) -> dict[str, Any]:
    return one("Deployment", service)["template"]["spec"]


def container(service: str) -> dict[str, Any]:
    (found,) = pod(service)["containers"]
    return found


def environment(service: str) -> dict[str, str]:
    """The image's, and on top of it the manifest's; a Secret's values are made up."""
    own = {
        variable["name"]: variable.get("value") or secret_value(variable["valueFrom"])
        for variable in container(service).get("env", [])
    }
    return image(service).environment | own


def secret_value(source: dict[str, Any]) -> str:
    assert source["secretKeyRef"]["name"] == "tally"
    return SECRET[source["secretKeyRef"]["key"]]


def test_every_object_is_valid_and_every_file_is_applied():
    for found in objects():
        kubernetes_validate.validate(found, "1.32", strict=True)
    applied = set(KUSTOMIZATION["resources"]) | {"kustomization.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == applied


def test_images_have_the_projects_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tags = {entry["name"]: entry["newTag"] for entry in KUSTOMIZATION["images"]}
    assert tags == {container(service)["image"]: version for service in SETTINGS}


@services
def test_every_setting_exists(service: str, monkeypatch):
    assert not unknown_settings(service, environment(service))
    read_settings(service, environment(service), monkeypatch)


@services
def test_every_target_is_a_service_of_the_manifests(service: str):
    for name, value in environment(service).items():
        if name.endswith("__TARGET"):
            host, port = re.fullmatch(r"dns:///(\w+):(\d+)", value).groups()
            assert [str(p["port"]) for p in one("Service", host)["ports"]] == [port]


@services
def test_ports_are_the_images_and_services_find_their_pods(service: str):
    (port,) = container(service)["ports"]
    assert [str(port["containerPort"])] == image(service).values("EXPOSE")
    (published,) = one("Service", service)["ports"]
    assert published["targetPort"] == port["name"]
    labels = one("Deployment", service)["template"]["metadata"]["labels"]
    assert one("Service", service)["selector"].items() <= labels.items()


@services
def test_it_runs_as_the_images_user_without_privileges(service: str):
    user = int(image(service).values("USER")[0].split(":")[0])
    context = pod(service)["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["fsGroup"]) == (True, user, user)
    own = container(service)["securityContext"]
    assert own == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@services
def test_no_variable_of_a_service_link_can_become_a_setting(service: str):
    # A Service "tally-gateway" would make TALLY_GATEWAY_PORT=tcp://10.0.0.1:8000.
    assert pod(service)["enableServiceLinks"] is False


@services
def test_it_is_probed_at_its_port_or_by_the_images_command(service: str):
    described = container(service)
    if service not in GRPC:
        assert described["readinessProbe"]["exec"]["command"] == image(service).health_check
        return
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert [str(described[probe]["grpc"]["port"])] == image(service).values("EXPOSE")


@services
def test_it_is_killed_later_than_it_drains(service: str, monkeypatch):
    settings = read_settings(service, environment(service), monkeypatch)
    drain = getattr(settings, "server", settings).drain_seconds
    drain += getattr(settings, "worker_stop_seconds", 0)
    assert pod(service)["terminationGracePeriodSeconds"] > drain


def test_replicas_are_found_one_by_one():
    for service in ("rollout", "reward"):
        assert one("Service", service)["clusterIP"] == "None"


@pytest.mark.parametrize("service", ["learner", "rollout", "gateway"])
def test_volumes_are_claims_that_exist_where_the_user_may_write(service: str):
    owned = " ".join(image(service).commands)
    mounts = {mount["name"]: mount["mountPath"] for mount in container(service)["volumeMounts"]}
    for volume in pod(service)["volumes"]:
        if "persistentVolumeClaim" in volume:
            one("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            assert f" {mounts[volume['name']]}" in owned
    folders = {v for k, v in environment(service).items() if k.endswith("DATA_DIR")}
    assert folders <= set(mounts.values())


def test_one_process_alone_holds_a_data_folder():
    for service in ("learner", "gateway"):
        assert one("Deployment", service)["strategy"] == {"type": "Recreate"}
        assert one("Deployment", service)["replicas"] == 1
