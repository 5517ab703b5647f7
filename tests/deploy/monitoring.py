"""What deploy/ has for Prometheus and Grafana, as data."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.deploy.images import DEPLOY

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "tally.json"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """What the panels ask Prometheus, at a rate interval of 5 minutes."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m")


def autoscaler_queries() -> Iterator[str]:
    """What the manifests of Kubernetes ask Prometheus."""
    for path in (DEPLOY / "kubernetes").rglob("*.yaml"):
        for line in path.read_text().splitlines():
            _, found, query = line.partition(" query: ")
            if found:
                yield query
