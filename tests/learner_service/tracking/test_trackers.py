"""Steps in the trackers' own stores, and jobs that don't notice a tracker that fails."""

import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from pydantic import ValidationError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerState

from learner_service.events import Event, Notice
from learner_service.settings import LearnerSettings, Tracker
from learner_service.tracking import trackers as trackers_module
from tally.job.settings import TrainingConfig
from tests.learner_service.training import Training, trackers, training
from tests.waiting import wait_until

LOCAL = [Tracker.TENSORBOARD, Tracker.MLFLOW]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not decide a test."""
    monkeypatch.setattr(trackers_module, "CLOSE_SECONDS", 120.0)
    monkeypatch.setattr(trackers_module, "STOP_SECONDS", 120.0)


@pytest.fixture
def mlflow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def tensorboard_scalars(folder: Path, name: str) -> dict[int, float]:
    events = EventAccumulator(str(folder / "tensorboard" / "job"))
    events.Reload()
    values = events.Scalars(f"train/{name}")
    assert max(Counter(value.step for value in values).values()) == 1
    return {value.step: value.value for value in values}


def mlflow_scalars(folder: Path, name: str) -> dict[int, float]:
    run_id = (folder / "mlflow_run_id.txt").read_text()
    values = mlflow.MlflowClient().get_metric_history(run_id, name)
    return {value.step: value.value for value in values}


def reported(running: Training, name: str) -> dict[int, float]:
    return {step.step: getattr(step.metrics, name) for step in running.steps}


def notices(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Notice)]


@pytest.mark.usefixtures("mlflow_store")
def test_local_stores_hold_every_step_and_the_settings(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path, report_to=LOCAL) as running:
        running.trainer.train()
    assert notices(running.events) == []
    for name in ("reward_mean", "exact_rate", "entropy", "loss"):
        expected = pytest.approx(reported(running, name), rel=1e-6)
        assert tensorboard_scalars(tmp_path, name) == expected
        assert mlflow_scalars(tmp_path, name) == expected
    run = mlflow.get_run((tmp_path / "mlflow_run_id.txt").read_text())
    assert (run.info.run_name, run.info.status) == ("a job", "FINISHED")
    assert run.data.params["training.learning_rate"] == "0.01"
    assert run.data.tags["tally.job_id"] == "job"
    assert mlflow.get_experiment(run.info.experiment_id).name == "tally"


@pytest.mark.usefixtures("mlflow_store")
def test_a_resumed_job_goes_on_in_the_same_run(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path, report_to=LOCAL, save_steps=2) as cut:
        cut.trainer.train()
    run_id = (tmp_path / "mlflow_run_id.txt").read_text()
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    with training(random_policy_path, tmp_path, report_to=LOCAL, max_steps=6) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    assert notices(cut.events + resumed.events) == []
    assert (tmp_path / "mlflow_run_id.txt").read_text() == run_id
    first = {step: value for step, value in reported(cut, "loss").items() if step <= 2}
    whole = first | reported(resumed, "loss")
    assert list(whole) == [1, 2, 3, 4, 5, 6]
    assert tensorboard_scalars(tmp_path, "loss") == pytest.approx(whole, rel=1e-6)
    assert mlflow_scalars(tmp_path, "loss") == pytest.approx(whole, rel=1e-6)


def without_block_headers(log: bytes) -> bytes:
    """W&B's file is a log of LevelDB's form: a name may be cut in two where a block ends."""
    content, place, block, header = b"", 7, 32 * 1024, 7
    while place < len(log):
        if (left := block - place % block) < header:
            place += left
            continue
        length = int.from_bytes(log[place + 4 : place + 6], "little")
        content += log[place + header : place + header + length]
        place += header + length
    return content


def test_wandb_writes_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    events: list[Event] = []
    record([Tracker.WANDB], tmp_path, events)
    assert notices(events) == []
    written = list((tmp_path / "wandb").glob("offline-run-*-job/run-job.wandb"))
    assert len(written) == 1

    def has_settings_and_figures() -> bool:
        content = without_block_headers(written[0].read_bytes())
        return b"training.learning_rate" in content and b"train/reward_mean" in content

    # W&B's own process may still be writing when the run is closed.
    wait_until(has_settings_and_figures)


@pytest.mark.usefixtures("mlflow_store")
def test_the_run_of_a_stopped_job_is_closed_until_it_goes_on(tmp_path: Path):
    record([Tracker.MLFLOW], tmp_path, [], finished=False)
    run_id = (tmp_path / "mlflow_run_id.txt").read_text()
    assert mlflow.get_run(run_id).info.status == "KILLED"
    record([Tracker.MLFLOW], tmp_path, [])
    assert mlflow.get_run(run_id).info.status == "FINISHED"


def record(chosen: list[Tracker], folder: Path, events: list[Event], finished: bool = True) -> None:
    """What a trainer tells its trackers, without a trainer."""
    recording = trackers(chosen, folder, events, TrainingConfig())
    state = TrainerState(log_history=[])
    recording.on_train_begin(None, state, None)
    for state.global_step in range(1, 4):
        recording.on_log(None, state, None, logs={"reward_mean": state.global_step / 10})
    recording.close(finished)


def test_a_tracker_that_is_down_is_told_of_once_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    events: list[Event] = []
    record(LOCAL, tmp_path, events)
    expected = "mlflow refused (MlflowException): it lacks steps of this job, which goes on"
    assert notices(events) == [expected]
    values = tensorboard_scalars(tmp_path, "reward_mean")
    assert values == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3})


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_tracker_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trackers_module, "CLOSE_SECONDS", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    events: list[Event] = []
    with silent_server() as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        record([Tracker.MLFLOW], tmp_path, events)
        assert notices(events) == ["mlflow did not take the last steps in time; the job goes on"]


def test_a_tracker_that_cannot_work_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TALLY_LEARNER_REPORT_TO", '["mlflow"]')
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ValidationError, match="mlflow needs MLFLOW_TRACKING_URI"):
        LearnerSettings()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(
        ValidationError, match=r"wandb is not installed; pip install '\.\[trackers\]'"
    ):
        LearnerSettings(report_to=["wandb"])
    with pytest.raises(ValidationError, match="'tensorboard', 'mlflow' or 'wandb'"):
        LearnerSettings(report_to=["comet"])
    assert LearnerSettings(report_to=["tensorboard"] * 2).report_to == [Tracker.TENSORBOARD]


def test_transformers_reads_the_state_with_every_step(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path) as running:
        running.trainer.train()
    path = tmp_path / "trainer_state.json"
    running.trainer.state_with_history().save_to_json(str(path))
    state = TrainerState.load_from_json(str(path))
    assert (state.global_step, state.max_steps) == (4, 4)
    steps = [entry for entry in state.log_history if "loss" in entry]
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4]
    rewards = {entry["step"]: entry["reward_mean"] for entry in steps}
    assert rewards == reported(running, "reward_mean")
    assert {"learning_rate", "grad_norm", "epoch"} <= set(steps[0])
    assert "train_runtime" in state.log_history[-1]
    json.loads(path.read_text(), parse_constant=pytest.fail)  # no NaN, which JSON hasn't
