"""What each overlay and component of the Kubernetes manifests is for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.images import SETTINGS, read_settings
from tests.deploy.manifests import FOLDER, Manifests, render

services = pytest.mark.parametrize("service", sorted(SETTINGS))


def settings(manifests: Manifests, service: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    return read_settings(service, manifests.environment(service), monkeypatch)


def access_modes(manifests: Manifests) -> dict[str, list[str]]:
    claims = manifests.of_kind("PersistentVolumeClaim")
    return {name: claim["spec"]["accessModes"] for name, claim in claims.items()}


def gpus(manifests: Manifests, service: str) -> int:
    return manifests.container(service)["resources"]["limits"]["nvidia.com/gpu"]


def test_every_file_is_applied_or_added():
    kustomizations = set(FOLDER.rglob("kustomization.yaml"))
    named = {path for one in kustomizations for path in named_files(one)}
    assert {path for path in FOLDER.rglob("*") if path.is_file()} == kustomizations | named


def named_files(kustomization: Path) -> Iterator[Path]:
    described = yaml.safe_load(kustomization.read_text())
    patches = [patch["path"] for patch in described.get("patches", []) if "path" in patch]
    for name in (*described.get("resources", []), *patches):
        if name.endswith(".yaml"):
            yield kustomization.parent / name


def test_learner_and_a_replica_share_one_gpu(monkeypatch):
    manifests = render("overlays/one-gpu")
    assert gpus(manifests, "learner") == gpus(manifests, "rollout") == 1
    assert settings(manifests, "rollout", monkeypatch).vllm.memory_fraction < 0.5
    assert set(map(tuple, access_modes(manifests).values())) == {("ReadWriteOnce",)}


def test_one_gateway_alone_needs_no_postgresql(monkeypatch):
    assert settings(render("overlays/one-gpu"), "gateway", monkeypatch).database_url is None


def test_several_gateways_share_a_database_and_a_volume(monkeypatch):
    manifests = render("overlays/several")
    assert manifests.spec("Deployment", "gateway")["replicas"] > 1
    url = settings(manifests, "gateway", monkeypatch).database_url.get_secret_value()
    assert url.startswith("postgresql://")
    assert access_modes(manifests)["gateway"] == ["ReadWriteMany"]


def test_a_job_has_all_gpus_of_the_learner(monkeypatch):
    manifests = render("overlays/several")
    assert (
        settings(manifests, "learner", monkeypatch).gpus_per_job == gpus(manifests, "learner") > 1
    )
    (shm,) = (one for one in manifests.pod("learner")["volumes"] if one["name"] == "shm")
    assert shm["emptyDir"]["medium"] == "Memory"


def test_the_number_of_replicas_is_the_autoscalers():
    manifests = render("overlays/several")
    assert "replicas" not in manifests.spec("Deployment", "rollout")
    scaled = manifests.spec("ScaledObject", "rollout")
    assert scaled["scaleTargetRef"]["name"] in manifests.of_kind("Deployment")
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]


def test_replicas_come_while_completions_wait_and_go_once_the_others_have_room(monkeypatch):
    """The thresholds leave a range in between, where the number of replicas stays as it is."""
    manifests = render("overlays/several")
    rollout = settings(manifests, "rollout", monkeypatch)
    waiting, in_progress = manifests.spec("ScaledObject", "rollout")["triggers"]
    batch = rollout.max_batch_completions
    assert "queue_depth" in waiting["metadata"]["query"]
    assert int(waiting["metadata"]["threshold"]) < rollout.max_waiting_completions
    most = int(in_progress["metadata"]["threshold"])
    assert batch + int(waiting["metadata"]["threshold"]) < most
    assert most <= batch + rollout.max_waiting_completions


def test_prometheus_alone_reads_the_metrics():
    manifests = render("overlays/several")
    (rule,) = manifests.spec("NetworkPolicy", "metrics")["ingress"]
    (peer,) = rule["from"]
    assert set(peer) == {"namespaceSelector", "podSelector"}
    assert rule["ports"] == [{"port": "metrics"}]
    (endpoint,) = manifests.spec("PodMonitor", "tally")["podMetricsEndpoints"]
    for service in SETTINGS:
        assert endpoint["port"] in {one["name"] for one in manifests.container(service)["ports"]}


@services
def test_tls_gives_every_server_and_client_its_services_certificate(service: str, monkeypatch):
    manifests = render("base", "tls")
    parts = [part for _, part in settings(manifests, service, monkeypatch) if hasattr(part, "tls")]
    (mount,) = (m for m in manifests.container(service)["volumeMounts"] if m["name"] == "tls")
    (volume,) = (one for one in manifests.pod(service)["volumes"] if one["name"] == "tls")
    assert volume["secret"]["secretName"] == f"tally-tls-{service}"
    for part in parts:
        files = [getattr(part.tls, name) for name in type(part.tls).model_fields]
        assert [file.name for file in files] == ["tls.crt", "tls.key", "ca.crt"]
        assert {str(file.parent) for file in files} == {mount["mountPath"]}
