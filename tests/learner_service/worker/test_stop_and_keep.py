"""In a real learner: a job's best adapter is kept, and a stop keeps what there is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load

from learner_service.job_folder.output_files import DOCUMENTED_FILES, STATE
from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import Learner, learner, put_dataset
from tests.waiting import PATIENCE_SECONDS

IMAGES = 7


class SpokenAdapters(ServedCounting):
    """Greedily each adapter has a count of its own, and is right about one image or about none."""

    def __init__(self, policy_path: Path) -> None:
        super().__init__(policy_path, greedy_count=self.count_of)
        self.asked: list[str] = []

    def count_of(self, digest: str) -> int:
        if digest not in self.asked:
            self.asked.append(digest)
        # Of the adapters in turn the third is the first that is right at all.
        return 1 if self.asked.index(digest) in (2, 4) else 99


@pytest.fixture
def rollouts(random_policy_path: Path) -> SpokenAdapters:
    return SpokenAdapters(random_policy_path)


@pytest.fixture
def running(
    rollouts: SpokenAdapters, random_policy_path: Path, tmp_path: Path
) -> Iterator[tuple[Learner, str]]:
    """A learner, and the dataset that it has."""
    services = WorkerServices(rollouts)
    digest = put_dataset(tmp_path / "learner", IMAGES)
    options = services.learner_options(random_policy_path)
    with learner(tmp_path / "learner", *options, "--checkpoints-kept", "2") as one:
        yield one, digest
    services.close()


def test_the_best_adapter_is_the_one_that_its_own_curve_says(
    running: tuple[Learner, str], random_policy_path: Path
):
    one, digest = running
    job_id = one.start_job(digest, evaluation_digest=digest, evaluation_steps=2, save_steps=3)
    assert one.wait(job_id).status == pb.JOB_STATUS_COMPLETED, one.log(job_id)
    curve = one.curve(job_id)
    assert list(curve) == [2, 4, 6, 8, 10, 12, 14]
    assert curve == {s: pytest.approx(1 / IMAGES if s in (6, 10) else 0) for s in curve}
    step, files = one.pack(job_id, "BEST")
    assert step == 6 == max(curve, key=curve.get)
    assert set(files) >= set(DOCUMENTED_FILES)
    config = json.loads(files["adapter_config.json"])
    assert config["base_model_name_or_path"] == random_policy_path.name
    state = json.loads(files[STATE])
    assert state["global_step"] == 6
    logged = [e["step"] for e in state["log_history"] if "eval_exact_rate" in e]
    assert logged == [2, 4, 6]
    best, last = load(files["adapter_model.safetensors"]), one.adapter(job_id)
    assert best.keys() == last.keys()
    assert not all(best[name].equal(last[name]) for name in last)
    # Of a completed job no other checkpoint stays.
    assert [path.name for path in one.folder(job_id).checkpoints.path.iterdir()] == ["checkpoint-6"]
    assert one.pack(job_id, "LAST")[0] == 14


def test_a_job_that_is_stopped_keeps_its_last_and_its_best_adapter(
    running: tuple[Learner, str], rollouts: SpokenAdapters
):
    one, digest = running
    # Eight steps have three, three and one group in turn; four times all that is held out is
    # answered. It hangs in the ninth step.
    rollouts.hangs_after = (7 + 7 + 6) + 4 * IMAGES
    endless = {"max_steps": 10_000, "num_epochs": 10_000, "save_steps": 10_000}
    job_id = one.start_job(digest, evaluation_digest=digest, evaluation_steps=2, **endless)
    assert rollouts.hanging.wait(PATIENCE_SECONDS), one.log(job_id)
    one.stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=PATIENCE_SECONDS)
    (last_step, last), (best_step, best) = (one.pack(job_id, w) for w in ("LAST", "BEST"))
    assert (last_step, best_step) == (8, 6)
    for files in (last, best):
        assert set(files) >= set(DOCUMENTED_FILES)
        assert load(files["adapter_model.safetensors"])
    assert one.job(job_id).status == pb.JOB_STATUS_CANCELLED
    # Who goes on from it goes on with its curve.
    rollouts.hangs_after = 10**9
    again = one.start_job(digest, evaluation_digest=digest, evaluation_steps=2, **endless)
    one.wait(again, step=10)
    one.stub.CancelJob(pb.CancelJobRequest(job_id=again), timeout=PATIENCE_SECONDS)
    assert one.pack(again, "BEST") == (6, best)
    assert one.steps(again)[0] == 9
