"""What every overlay of the Kubernetes manifests keeps to: schemas, settings, ports, rights."""

import re
import tomllib
from collections.abc import Iterator

import kubernetes_validate
import pytest
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor

from tests.deploy.images import ROOT, SETTINGS, image, read_settings, unknown_settings
from tests.deploy.manifests import FOLDER, Manifests, render
from tests.deploy.ray_clusters import ray_pods, validate_ray_cluster

OVERLAYS = sorted(f"overlays/{path.name}" for path in (FOLDER / "overlays").iterdir())
RENDERED = {
    "base": ["base"],
    **{overlay: [overlay] for overlay in OVERLAYS},
    "overlays/several with tls": ["overlays/several", "tls"],
}
# The oldest that has all that is asked for, and the newest whose schemas are here.
VERSIONS = ("1.31", "1.37")
# Objects of operators: their definitions as models, of KEDA 2.16 and Prometheus Operator 0.80.
OPERATORS = {"PodMonitor": PodMonitor, "ScaledObject": ScaledObject}
GRPC = {"reward", "learner", "rollout"}
RAY_NODES = "ray"
services = pytest.mark.parametrize("service", sorted(SETTINGS))


@pytest.fixture(params=sorted(RENDERED), scope="module")
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return render(*RENDERED[request.param])


def test_every_object_is_valid(manifests: Manifests):
    assert manifests.objects
    for found in manifests.objects:
        if model := OPERATORS.get(found["kind"]):
            # What the model doesn't know is left out of it.
            read = model.model_validate(found)
            assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == found
        elif found["kind"] == "RayCluster":
            validate_ray_cluster(found, VERSIONS)
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(found, version, strict=True)


def test_every_object_is_in_the_namespace(manifests: Manifests):
    assert set(manifests.of_kind("Namespace")) == {"tally"}
    for found in manifests.objects:
        assert found["kind"] == "Namespace" or found["metadata"]["namespace"] == "tally"


def test_images_have_the_projects_version(manifests: Manifests):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for service in SETTINGS:
        assert manifests.container(service)["image"] == f"tally-{service}:{version}"


@services
def test_every_setting_exists(manifests: Manifests, service: str, monkeypatch):
    environment = manifests.environment(service)
    assert not unknown_settings(service, environment)
    read_settings(service, environment, monkeypatch)
    names = [variable["name"] for variable in manifests.container(service)["env"]]
    assert len(set(names)) == len(names)


@services
def test_ports_are_the_settings_and_services_find_their_pods(
    manifests: Manifests, service: str, monkeypatch
):
    settings = read_settings(service, manifests.environment(service), monkeypatch)
    ports = {port["name"]: port["containerPort"] for port in manifests.container(service)["ports"]}
    name = "grpc" if service in GRPC else "http"
    assert ports.pop(name) == getattr(settings, "server", settings).port
    assert set(ports.values()) == {settings.metrics_port} - {None}
    (published,) = manifests.spec("Service", service)["ports"]
    assert published["targetPort"] == name
    labels = manifests.spec("Deployment", service)["template"]["metadata"]["labels"]
    assert manifests.spec("Service", service)["selector"].items() <= labels.items()


def calls(manifests: Manifests) -> Iterator[tuple[str, str, str]]:
    """Who calls whom at which port, by the settings. The nodes of a Ray cluster call what the
    learner calls, and the learner where it says that they reach it."""
    for service in SETTINGS:
        for name, value in manifests.environment(service).items():
            if name.endswith("__TARGET"):
                host, port = re.fullmatch(r"dns:///(\w+):(\d+)", value).groups()
                if host != service:
                    yield service, host, port
                if service == "learner" and manifests.of_kind("RayCluster"):
                    yield RAY_NODES, host, port


def test_every_target_is_a_service_of_the_manifests(manifests: Manifests):
    for _, host, port in calls(manifests):
        assert [str(one["port"]) for one in manifests.spec("Service", host)["ports"]] == [port]


def test_a_pod_is_reached_by_those_that_call_it_alone(manifests: Manifests):
    closed = manifests.spec("NetworkPolicy", "closed")
    assert "ingress" not in closed
    callers: dict[str, set[str]] = {}
    for caller, called, _ in calls(manifests):
        callers.setdefault(called, set()).add(caller)
    for service, expected in callers.items():
        (rule,) = manifests.spec("NetworkPolicy", service)["ingress"]
        pods, *nodes = (peer["podSelector"] for peer in rule["from"])
        (expression,) = pods["matchExpressions"]
        assert set(expression["values"]) == expected - {RAY_NODES}
        assert nodes == [{"matchLabels": {"ray.io/cluster": "tally"}}] * (RAY_NODES in expected)
        assert rule["ports"] == [{"port": "grpc"}]
    assert manifests.spec("NetworkPolicy", "gateway")["ingress"] == [{"ports": [{"port": "http"}]}]


def test_policies_and_budgets_select_pods_that_are_there(manifests: Manifests):
    labels = [
        manifests.spec("Deployment", service)["template"]["metadata"]["labels"]
        for service in SETTINGS
    ]
    labels += [pod["metadata"]["labels"] for pod in ray_pods(manifests)]
    specs = [found.get("spec", {}) for found in manifests.objects]
    for selector in (spec.get("podSelector") or spec.get("selector") for spec in specs):
        if selector and "matchLabels" in selector:
            assert any(selector["matchLabels"].items() <= own.items() for own in labels)


@services
def test_it_has_no_more_rights_than_its_user(manifests: Manifests, service: str):
    """What the Pod Security Standard `restricted` asks for, and a root that can't be written."""
    user = int(image(service).values("USER")[0].split(":")[0])
    pod = manifests.pod(service)
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["fsGroup"]) == (True, user, user)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert manifests.container(service)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not pod["automountServiceAccountToken"]
    namespace = manifests.of_kind("Namespace")["tally"]["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


@services
def test_no_variable_of_a_service_link_can_become_a_setting(manifests: Manifests, service: str):
    # A Service "tally-gateway" would make TALLY_GATEWAY_PORT=tcp://10.0.0.1:8000.
    assert manifests.pod(service)["enableServiceLinks"] is False


@services
def test_memory_is_bounded_and_asked_for(manifests: Manifests, service: str):
    resources = manifests.container(service)["resources"]
    assert {"cpu", "memory"} <= set(resources["requests"])
    assert "memory" in resources["limits"]


@services
def test_it_is_probed_by_health(manifests: Manifests, service: str):
    described = manifests.container(service)
    if service not in GRPC:
        assert described["readinessProbe"]["exec"]["command"] == image(service).health_check
        return
    has_tls = any("__TLS__" in name for name in manifests.environment(service))
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = described[name]
        if has_tls:
            assert probe["exec"]["command"] == image(service).health_check
            assert "grpc" not in probe
        else:
            assert [str(probe["grpc"]["port"])] == image(service).values("EXPOSE")


@services
def test_it_is_killed_later_than_it_drains(manifests: Manifests, service: str, monkeypatch):
    settings = read_settings(service, manifests.environment(service), monkeypatch)
    drain = getattr(settings, "server", settings).drain_seconds
    drain += getattr(settings, "worker_stop_seconds", 0)
    before = manifests.container(service)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert manifests.pod(service)["terminationGracePeriodSeconds"] > before + drain


@services
def test_volumes_exist_and_lie_where_the_user_may_write(manifests: Manifests, service: str):
    owned = " ".join(image(service).commands)
    described = manifests.container(service)
    mounts = {one["name"]: one["mountPath"] for one in described.get("volumeMounts", [])}
    volumes = {one["name"]: one for one in manifests.pod(service).get("volumes", [])}
    assert set(mounts) == set(volumes)
    for name, volume in volumes.items():
        if "persistentVolumeClaim" in volume:
            manifests.spec("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            assert f" {mounts[name]}" in owned
    environment = manifests.environment(service)
    folders = {v for k, v in environment.items() if k.endswith("DATA_DIR") or k == "HOME"}
    assert folders <= {*mounts.values(), image(service).environment["HOME"]}


def test_replicas_are_found_one_by_one(manifests: Manifests):
    for service in ("rollout", "reward"):
        assert manifests.spec("Service", service)["clusterIP"] == "None"


def test_a_node_can_be_emptied_without_losing_all_of_a_service(manifests: Manifests):
    budgets = manifests.of_kind("PodDisruptionBudget")
    assert set(budgets) == {"gateway", "reward", "rollout"}
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == manifests.spec("Deployment", name)["selector"]


def test_one_process_alone_holds_a_data_folder(manifests: Manifests):
    learner = manifests.spec("Deployment", "learner")
    assert (learner["strategy"], learner["replicas"]) == ({"type": "Recreate"}, 1)
    gateway = manifests.spec("Deployment", "gateway")
    (mode,) = manifests.spec("PersistentVolumeClaim", "gateway")["accessModes"]
    is_shared = mode == "ReadWriteMany"
    assert (gateway["replicas"] > 1) == is_shared
    assert gateway["strategy"]["type"] == ("RollingUpdate" if is_shared else "Recreate")


def test_a_new_replica_waits_for_the_gpu_of_an_old_one(manifests: Manifests):
    strategy = manifests.spec("Deployment", "rollout")["strategy"]
    assert strategy == {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
