"""The metrics pages of a whole stack that has trained: scraped, and named by all who go by them."""

import json
import subprocess

import pytest
import requests

from tests.deploy.monitoring import alerts, autoscaler_queries, expressions
from tests.metric_names import named_in, offered_names
from tests.stack import Stack
from tests.waiting import PATIENCE_SECONDS

JOBS = ["tally-reward", "tally-rollout", "tally-learner", "tally-gateway"]


@pytest.fixture(scope="module")
def pages(stack: Stack, file_id: str) -> dict[str, str]:
    """Each service's page, as Prometheus finds it, once a job has been trained and watched."""
    # At a temperature at which answers differ, so that there is something to learn.
    job_id = stack.train(file_id, max_steps=3, temperature=1.0)
    assert stack.wait(job_id)["status"] == "completed", stack.logs()
    targets = json.loads((stack.data_dir / "metrics-targets.json").read_text())
    return {
        target["labels"]["job"]: _scrape(address)
        for target in targets
        for address in target["targets"]
    }


def _scrape(address: str) -> str:
    answer = requests.get(f"http://{address}/metrics", timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    return answer.text


def figures(page: str, name: str) -> float:
    """The sum over all labels."""
    lines = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    assert lines, f"no {name}"
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_every_service_has_a_page_and_promtool_finds_nothing_wrong_with_it(pages: dict[str, str]):
    assert list(pages) == JOBS
    for page in pages.values():
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            input=page,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert figures(page, "process_resident_memory_bytes") > 10 * 1024**2


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("tally-rollout", "tally_rollout_tokens_total"),
        ("tally-rollout", "tally_rollout_completions_total"),
        ("tally-rollout", "tally_rollout_wait_seconds_count"),
        ("tally-rollout", "tally_rollout_fetches_total"),
        ("tally-rollout", "tally_rollout_fetched_bytes_total"),
        ("tally-rollout", "tally_rollout_cache_lookups_total"),
        ("tally-rollout", "grpc_server_handled_total"),
        ("tally-learner", "tally_learner_step_seconds_count"),
        ("tally-learner", "tally_learner_step_stage_seconds_count"),
        ("tally-learner", "tally_learner_groups_total"),
        ("tally-learner", "tally_learner_log_probability_gap_nats_count"),
        ("tally-learner", "tally_learner_worker_starts_total"),
        ("tally-learner", "tally_learner_saves_total"),
        ("tally-learner", "tally_learner_jobs"),
        ("tally-learner", "tally_learner_jobs_ended_total"),
        ("tally-learner", "tally_data_folder_free_bytes"),
        ("tally-learner", "grpc_server_handling_seconds_count"),
        ("tally-reward", "tally_reward_answers_total"),
        ("tally-reward", "tally_reward_scored_answers_total"),
        ("tally-reward", "tally_reward_score_seconds_count"),
        ("tally-gateway", "tally_gateway_requests_total"),
        ("tally-gateway", "tally_gateway_request_seconds_count"),
        ("tally-gateway", "tally_gateway_uploads_total"),
        ("tally-gateway", "tally_gateway_uploaded_bytes_total"),
    ],
)
def test_a_job_leaves_its_figures(job: str, name: str, pages: dict[str, str]):
    assert figures(pages[job], name) > 0


def test_what_dashboard_alerts_and_autoscaler_name_is_offered(pages: dict[str, str]):
    offered = set.union(*map(offered_names, pages.values()))
    sources = {
        "dashboard": list(expressions()),
        "alerts": [rule["expr"] for rule in alerts()],
        "autoscaler": list(autoscaler_queries()),
    }
    for source, queries in sources.items():
        named = named_in(" ".join(queries))
        assert named <= offered, f"{source} names {named - offered}"
        assert named or source == "autoscaler"


def test_no_figure_is_of_one_job_owner_or_file(pages: dict[str, str], stack: Stack, file_id: str):
    ids = [file_id, *(job["job_id"] for job in stack.get("/jobs"))]
    for page in pages.values():
        assert not [one for one in ids if one in page]
        assert str(stack.data_dir) not in page
