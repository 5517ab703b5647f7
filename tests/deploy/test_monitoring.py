"""Alerts, scrape configurations and the dashboard: checked by promtool, and naming what exists."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.images import ROOT, SETTINGS
from tests.deploy.monitoring import DASHBOARD, PROMETHEUS, alerts, expressions, panels
from tests.deploy.test_compose import FILES, SECRETS, compose, environment_of, resolve

MONITORING = "deploy/monitoring.yml"


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_the_alerts():
    promtool("check", "rules", "--lint-fatal", PROMETHEUS / "alerts.yml")


def test_each_alert_fires_when_it_should_and_only_then():
    promtool("test", "rules", PROMETHEUS / "alerts_test.yml")


def test_each_alert_is_tested():
    tests = (PROMETHEUS / "alerts_test.yml").read_text()
    assert not [rule["alert"] for rule in alerts() if rule["alert"] not in tests]


def test_prometheus_takes_its_configuration_for_compose():
    promtool("check", "config", PROMETHEUS / "compose.yml")


def test_prometheus_takes_its_configuration_for_kubernetes(tmp_path: Path):
    """But for the way in which pods are found, which Debian's build leaves out."""
    configuration = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())
    [job] = configuration["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    [rules] = configuration["rule_files"]
    configuration["rule_files"] = [str(PROMETHEUS / rules)]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    promtool("check", "config", path)


def test_in_compose_every_service_is_scraped_at_its_port():
    jobs = yaml.safe_load((PROMETHEUS / "compose.yml").read_text())["scrape_configs"]
    scraped = {job["job_name"]: job["dns_sd_configs"][0] for job in jobs}
    assert set(scraped) == {f"tally-{service}" for service in SETTINGS}
    for service in SETTINGS:
        port = environment_of(resolve(), service)[f"TALLY_{service.upper()}_METRICS_PORT"]
        assert scraped[f"tally-{service}"]["names"] == [service]
        assert str(scraped[f"tally-{service}"]["port"]) == port


def test_compose_takes_the_file_and_wants_a_password_for_grafana():
    files = (*FILES, MONITORING)
    done = compose("config", "--quiet", files=files, **SECRETS, TALLY_GRAFANA_PASSWORD="s3cret")
    assert (done.returncode, done.stderr) == (0, "")
    refused = compose("config", files=files, **SECRETS)
    assert refused.returncode != 0
    assert "set TALLY_GRAFANA_PASSWORD" in refused.stderr


def test_what_is_mounted_is_there_and_where_it_is_looked_for():
    services = yaml.safe_load((ROOT / MONITORING).read_text())["services"]
    mounted = {
        target: ROOT / source
        for service in services.values()
        for source, target in (volume.split(":")[:2] for volume in service["volumes"])
        if source.startswith("./")
    }
    assert all(path.is_dir() for path in mounted.values())
    [option] = [o for o in services["prometheus"]["command"] if "config.file" in o]
    folder, _, name = option.partition("=")[2].rpartition("/")
    assert (mounted[folder] / name).is_file()
    provisioning = mounted["/etc/grafana/provisioning"]
    [provider] = yaml.safe_load((provisioning / "dashboards/tally.yml").read_text())["providers"]
    assert DASHBOARD.parent == mounted[provider["options"]["path"]]
    sources = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"


def test_every_question_of_the_dashboard_is_one_that_prometheus_understands(tmp_path: Path):
    rules = [
        {"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)


def test_every_panel_asks_the_chosen_prometheus():
    dashboard = json.loads(DASHBOARD.read_text())
    [variable] = dashboard["templating"]["list"]
    source = {"type": variable["query"], "uid": f"${{{variable['name']}}}"}
    for panel in panels():
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])
        assert panel["description"]


def test_panels_have_numbers_of_their_own_and_lie_beside_each_other():
    every = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    places = [panel["gridPos"] for panel in every]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or apart)


def test_rates_are_of_counters_and_quantiles_of_buckets():
    for expr in expressions():
        for name in re.findall(r"(?:rate|increase)\((\w+)", expr):
            assert name.endswith(("_total", "_bucket", "_sum", "_count")), expr


def test_the_guide_names_files_that_exist():
    guide = (ROOT / "docs" / "metrics.md").read_text()
    named = re.findall(r"`(deploy/[\w./-]+)`", guide)
    assert named
    assert all((ROOT / name).exists() for name in named)
