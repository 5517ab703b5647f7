"""Ray clusters among the manifests: their pods, and what the operator takes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.deploy.manifests import Manifests

_SCHEMA = Path(__file__).with_name("ray_cluster_schema.yaml")


def ray_pods(manifests: Manifests) -> Iterator[dict[str, Any]]:
    """The templates of all pods, with the labels that the operator gives them."""
    for name, cluster in manifests.of_kind("RayCluster").items():
        spec = cluster["spec"]
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            template = group["template"]
            labels = template["metadata"]["labels"] | {"ray.io/cluster": name}
            yield template | {"metadata": {"labels": labels}}


def validate_ray_cluster(found: Mapping[str, Any], versions: tuple[str, ...]) -> None:
    """Raises where a field is unknown, missing or of another type."""
    assert found["apiVersion"] == "ray.io/v1"
    schema = _strict(yaml.safe_load(_SCHEMA.read_text()))
    jsonschema.validate(found["spec"], schema)
    for template in ray_pods(Manifests([found])):
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        for version in versions:
            kubernetes_validate.validate(pod, version, strict=True)


def _strict(schema: Any) -> Any:
    """No other fields than those that are named."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(one) for name, one in schema.items()}
    return {"additionalProperties": False} | strict if "properties" in strict else strict
