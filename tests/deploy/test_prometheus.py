"""A real Prometheus with our configuration of a cluster, whose pods a file stands for."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from reward_service.metrics import RewardMetrics
from reward_service.settings import RewardSettings
from tally.cli.stack.ports import free_port
from tally.metrics.page import metrics_page
from tests.deploy.monitoring import PROMETHEUS
from tests.waiting import PATIENCE_SECONDS, wait_until

META = "__meta_kubernetes_"


def pod(name: str, part_of: str, port_name: str, port: int) -> dict[str, object]:
    """A pod's port, as Kubernetes tells it."""
    labels = {
        "pod_label_app_kubernetes_io_part_of": part_of,
        "pod_label_app_kubernetes_io_name": name,
        "pod_container_port_name": port_name,
        "namespace": "tally",
        "pod_name": f"{name}-1",
    }
    return {
        "targets": [f"127.0.0.1:{port}"],
        "labels": {f"{META}{label}": value for label, value in labels.items()},
    }


def configuration(targets: Path) -> str:
    text = (PROMETHEUS / "kubernetes.yml").read_text()
    described = yaml.safe_load(text)
    described["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    described["rule_files"] = [str(PROMETHEUS / name) for name in described["rule_files"]]
    [job] = described["scrape_configs"]
    del job["kubernetes_sd_configs"]
    job["file_sd_configs"] = [{"files": [str(targets)]}]
    return yaml.safe_dump(described)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """Where a Prometheus answers that knows a service's two ports and another's pod."""
    registry = RewardMetrics().registry
    with metrics_page(RewardSettings(metrics_port=0), "127.0.0.1", registry) as port:
        assert port is not None
        targets = tmp_path / "targets.json"
        pods = [
            pod("reward", "tally", "metrics", port),
            pod("reward", "tally", "grpc", free_port()),
            pod("another", "else", "metrics", port),
        ]
        targets.write_text(json.dumps(pods))
        (tmp_path / "prometheus.yml").write_text(configuration(targets))
        address = f"127.0.0.1:{free_port()}"
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://{address}/api/v1"
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def ask(prometheus: str, query: str) -> list[dict[str, str]]:
    """The labels of what is found; nothing while Prometheus starts."""
    try:
        answer = requests.get(f"{prometheus}/query", params={"query": query}, timeout=60)
    except requests.ConnectionError:
        return []
    if not answer.ok:
        return []
    return [found["metric"] for found in answer.json()["data"]["result"]]


def test_a_pods_metrics_are_scraped_under_its_service_s_name(prometheus: str):
    [found] = wait_until(lambda: ask(prometheus, "tally_reward_answers_total"), "nothing scraped")
    labels = {name: found[name] for name in ("job", "namespace", "pod")}
    assert labels == {"job": "tally-reward", "namespace": "tally", "pod": "reward-1"}
    assert [one["job"] for one in ask(prometheus, "up")] == ["tally-reward"]
    rules = requests.get(f"{prometheus}/rules", timeout=60).json()["data"]["groups"]
    assert [group["name"] for group in rules] == ["tally"]
