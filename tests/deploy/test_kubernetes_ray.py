"""The overlay whose jobs run on a Ray cluster: the nodes fit the learner, and have its rights."""

import copy
import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from learner_service.host.settings import HostSettings
from tests.deploy.images import image, read_settings
from tests.deploy.manifests import SECRET, Manifests, render
from tests.deploy.ray_clusters import ray_pods, validate_ray_cluster
from tests.deploy.test_locks import pinned

VERSIONS = ("1.31", "1.37")


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    return render("overlays/ray")


def containers(manifests: Manifests) -> list[dict[str, Any]]:
    """Of the head and of a worker."""
    return [pod["spec"]["containers"][0] for pod in ray_pods(manifests)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rayVersoin",), "2.60.0"),
        (("workerGroupSpecs", 0, "maxReplicas"), "8"),
        (("workerGroupSpecs", 0, "groupName"), 1),
        (("headGroupSpec", "template", "spec", "containers", 0, "imagee"), "x"),
    ],
)
def test_what_the_operator_does_not_take_is_found(manifests: Manifests, path, value):
    found = copy.deepcopy(manifests.of_kind("RayCluster")["tally"])
    validate_ray_cluster(found, VERSIONS)
    inner = found["spec"]
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    refusals = jsonschema.ValidationError, kubernetes_validate.ValidationError
    with pytest.raises(refusals):
        validate_ray_cluster(found, VERSIONS)


def test_nodes_have_the_ray_and_the_release_of_the_learner(manifests: Manifests):
    cluster = manifests.spec("RayCluster", "tally")
    version = cluster["rayVersion"]
    assert version == pinned("ray")["ray"]
    assert cluster["autoscalerOptions"]["image"].endswith(f":{version}-py311")
    own = manifests.container("learner")["image"]
    assert {one["image"] for one in containers(manifests)} == {own}


def test_a_node_holds_one_process_of_a_job(manifests: Manifests, monkeypatch):
    learner = read_settings("learner", manifests.environment("learner"), monkeypatch)
    [group] = manifests.spec("RayCluster", "tally")["workerGroupSpecs"]
    limits = containers(manifests)[1]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == learner.gpus_per_job
    assert int(limits["cpu"]) == learner.gpus_per_job * learner.ray.cpus_per_process
    assert group["maxReplicas"] == learner.jobs_at_once * learner.nodes_per_job
    assert "nvidia.com/gpu" not in manifests.container("learner")["resources"]["limits"]


def test_the_learner_and_the_nodes_reach_each_other(manifests: Manifests, monkeypatch):
    learner = read_settings("learner", manifests.environment("learner"), monkeypatch)
    name, port = re.fullmatch(r"ray://([\w-]+)-head-svc:(\d+)", learner.ray.address).groups()
    assert set(manifests.of_kind("RayCluster")) == {name}
    ports = {one["name"]: one["containerPort"] for one in containers(manifests)[0]["ports"]}
    assert ports["client"] == int(port)
    from_nodes, from_learner = manifests.spec("NetworkPolicy", "ray")["ingress"]
    assert "ports" not in from_nodes
    assert from_learner["ports"] == [{"port": "client"}]


def test_a_nodes_settings_exist_and_its_folders_are_there(manifests: Manifests, monkeypatch):
    worker = containers(manifests)[1]
    given = {
        one["name"]: one.get("value") or SECRET[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in worker["env"]
    }
    own = {name for name in given if name.startswith("TALLY_")}
    assert own <= {f"TALLY_HOST_{name.upper()}" for name in HostSettings.model_fields}
    for name in own:
        monkeypatch.setenv(name, given[name])
    settings = HostSettings()
    assert settings.secret == SECRET["services-secret"]
    mounts = {mount["mountPath"] for mount in worker["volumeMounts"]}
    assert {
        str(settings.data_dir),
        given["HOME"],
        image("learner").environment["HF_HOME"],
    } <= mounts


def test_nodes_have_no_more_rights_than_their_user(manifests: Manifests):
    learner = manifests.pod("learner")
    for pod in ray_pods(manifests):
        [container] = pod["spec"]["containers"]
        assert pod["spec"]["securityContext"] == learner["securityContext"]
        assert container["securityContext"] == learner["containers"][0]["securityContext"]
        assert pod["spec"]["enableServiceLinks"] is False
        volumes = {one["name"] for one in pod["spec"]["volumes"]}
        assert {one["name"] for one in container["volumeMounts"]} == volumes
        assert "memory" in container["resources"]["limits"]
