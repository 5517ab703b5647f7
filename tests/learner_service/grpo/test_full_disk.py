"""A disk that is full while a job trains: it goes on without a checkpoint, and loses nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from learner_service.events import Event, Notice, StepDone
from tally.messages.message import Message
from tests.learner_service.training import Training, training
from tests.small_disk import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def notices(running: Training) -> list[str]:
    return [event.message for event in running.events if isinstance(event, Notice)]


def at_step(step: int, do: Callable[[], None]) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == step:
            do()

    return on_event


def test_a_job_goes_on_without_a_checkpoint_that_has_no_room(
    random_policy_path: Path, tmp_path: Path, disk: SmallDisk
):
    def watch(event: Event) -> None:
        # Room for the adapter of the next step, not for what the optimizer holds beside it.
        at_step(2, lambda: disk.fill(free_bytes=2 * adapter_bytes(disk.path)))(event)
        at_step(3, disk.empty)(event)

    changes = {"save_steps": 1, "on_event": watch}
    with training(random_policy_path, disk.path, **changes) as running:
        running.trainer.train()
        digest = running.adapter_digest
    assert [step.step for step in running.steps] == [1, 2, 3, 4]
    [told] = notices(running)
    assert told.startswith("the checkpoint of step 2 was not written: there is no room on")
    assert checkpoint_names(disk.path) == ["checkpoint-3", "checkpoint-4"]
    assert list((disk.path / "staging").iterdir()) == []
    with training(random_policy_path, tmp_path / "roomy") as undisturbed:
        undisturbed.trainer.train()
        assert undisturbed.adapter_digest == digest


def test_what_a_step_needs_waits_for_room(
    random_policy_path: Path, tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("learner_service.room_wait._PAUSE_SECONDS", 0.01)

    def watch(event: Event) -> None:
        at_step(2, disk.fill)(event)
        if event == Notice.of(Message("waiting_for_disk")):
            disk.empty()

    with training(random_policy_path, disk.path, on_event=watch) as running:
        running.trainer.train()
        digest = running.adapter_digest
    assert notices(running) == ["waiting for room on the learner's disk"]
    with training(random_policy_path, tmp_path / "roomy") as undisturbed:
        undisturbed.trainer.train()
        assert undisturbed.adapter_digest == digest


def adapter_bytes(folder: Path) -> int:
    """Of the newest blob: images are there before the first step."""
    newest = max((folder / "blobs").glob("??/*"), key=lambda path: path.stat().st_mtime_ns)
    return newest.stat().st_size


def checkpoint_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())
