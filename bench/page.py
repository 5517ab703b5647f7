"""How soon the page shows something and can be used, while a job trains on the same machine.

`first content` is the browser's first contentful paint, `usable` the moment from which the list of
500 jobs, or every curve of a job of 10,000 steps, is drawn. Each visit is that of a new browser
profile, which has nothing of the page.
"""

import asyncio
import shutil
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path
from statistics import median

import requests
from playwright.async_api import Browser

from bench.report import options, print_json, print_table
from gateway.database import open_database
from gateway.jobs.job_models import Job, JobEvent
from gateway.settings import GatewaySettings
from gateway.times import now
from tally.samples.dataset import write_dataset
from tests.stack import Stack, running_stack
from tests.ui.visitor import chromium, visitor

Visits = dict[str, list[tuple[float, float]]]  # first content and usable, in milliseconds

JOBS = 500
STEPS = 10_000
MOST_SECONDS = 30.0
FIRST_CONTENT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LISTED = "document.querySelectorAll('.rows .row').length >= 50"
DRAWN = "document.querySelectorAll('.chart canvas').length >= 6"
# The page's policy forbids what Playwright's own waiting does, to evaluate a string.
UNTIL = """() => new Promise((done) => {
  const look = () => (%s ? done(performance.now()) : requestAnimationFrame(look));
  look();
})"""


def fill(data_dir: Path) -> str:
    """Writes jobs that have ended, and one of many steps; → the id of that."""
    database = open_database(GatewaySettings(data_dir=data_dir / "gateway"))
    jobs = [_job(index) for index in range(JOBS)]
    with database.writing() as session:
        session.add_all(jobs)
    with database.writing() as session:
        session.add_all(_step(jobs[-1].job_id, step) for step in range(1, STEPS + 1))
    database.close()
    return jobs[-1].job_id


def _job(index: int) -> Job:
    return Job(
        job_id=str(uuid.uuid4()),
        job_name=f"orchard {index}",
        status="completed",
        current_step=STEPS,
        total_steps=STEPS,
        loss=0.1,
        phase=None,
        created_at=now() - timedelta(minutes=index),
        spec={"data_file_id": str(uuid.uuid4()), "evaluation_file_id": None},
        dataset_digest="0" * 64,
        last_seq=STEPS,
        accepted=True,
        log_complete=True,
    )


def _step(job_id: str, step: int) -> JobEvent:
    metrics = {
        "epoch": step / 100, "loss": 1 / step, "reward_mean": 1 - 1 / step, "reward_std": 0.2,
        "exact_rate": 1 - 1 / step, "mean_absolute_count_error": 1 / step, "entropy": 0.4,
        "parse_failure_rate": 0.0, "zero_variance_group_rate": 0.1, "kl": 0.01 * (step % 7),
        "clip_low_rate": 0.0, "clip_high_rate": 0.0, "gradient_norm": 0.8, "learning_rate": 5e-5,
        "completion_length_mean": 8.1, "log_probability_gap": 0.001, "rollout_seconds": 1.1,
        "reward_seconds": 0.01, "learning_seconds": 2.0, "step_seconds": 3.2,
        "samples_per_second": 20.0, "median_absolute_count_error": 1.0, "far_off_rate": 1 / step,
    }  # fmt: skip
    payload = {"step": step, "total_steps": STEPS, **metrics}
    return JobEvent(job_id=job_id, seq=step, kind="step", time=now(), payload=payload)


def train(stack: Stack, folder: Path) -> str:
    """Starts a job that outlives the measurement, and waits for its first step."""
    write_dataset(folder / "data.zip", scenes=90, seed=11)
    file_id = stack.upload(folder / "data.zip")
    job_id = stack.train(file_id, num_epochs=10_000, batch_size=4, use_4bit=False, temperature=1.0)
    stack.wait(job_id, step=1)
    return job_id


async def milliseconds(browser: Browser, url: str, place: str, usable: str) -> tuple[float, float]:
    """First content and usable, of one visit."""
    async with visitor(browser, url) as visit:
        await visit.page.goto(f"{url}/ui#{place}", wait_until="commit")
        async with asyncio.timeout(MOST_SECONDS):
            ready = await visit.page.evaluate(UNTIL % usable)
        return await visit.page.evaluate(FIRST_CONTENT), ready


async def measure(url: str, places: dict[str, tuple[str, str]], visits: int) -> Visits:
    seen: Visits = {name: [] for name in places}
    async with chromium() as browser:
        for visit in range(visits + 1):  # the first warms up
            for name, (place, usable) in places.items():
                figures = await milliseconds(browser, url, place, usable)
                if visit:
                    seen[name].append(figures)
    return seen


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    visits = 3 if arguments.quick else 11
    folder = Path(tempfile.mkdtemp(prefix="tally-bench-"))
    try:
        with running_stack(folder) as stack:
            long_job = fill(folder)
            job_id = train(stack, folder)
            before = stack.get(f"/jobs/{job_id}")["current_step"]
            places = {
                f"list of {JOBS} jobs": ("/jobs", LISTED),
                f"curves of {STEPS:,} steps": (f"/jobs/{long_job}", DRAWN),
            }
            seen = asyncio.run(measure(stack.url, places, visits))
            trained = stack.get(f"/jobs/{job_id}")["current_step"] - before
            requests.delete(f"{stack.url}/jobs/{job_id}", timeout=10)
        report(seen, visits, trained)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(seen: Visits, visits: int, trained: int) -> None:
    figures = {}
    for name, pairs in seen.items():
        for what, values in zip(("first content", "usable"), zip(*pairs, strict=True), strict=True):
            figures[f"{name}: {what}"] = {"median": median(values), "worst": max(values)}
    rows = [(name, one["median"], one["worst"]) for name, one in figures.items()]
    print_table(("milliseconds", "median", "worst"), rows)
    settings = {"visits": visits, "jobs": JOBS, "steps": STEPS, "steps_trained_meanwhile": trained}
    print_json("page", settings, figures)


if __name__ == "__main__":
    main()
