"""How many jobs run at once on a host, and which GPUs and threads each has to itself."""

import os

import pytest
from pydantic import ValidationError

from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue import local_placement, own_gpus, worker_process
from learner_service.queue.hosts import Hosts
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.slots import Slot, slots_of
from learner_service.queue.worker_links import WorkerLinks
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.settings import TrainingConfig

SPEC = JobSpec(dataset_digest="a" * 64, base_model="small")
OF_TWO = SPEC.model_copy(update={"work": Training(config=TrainingConfig(processes=2))})
EIGHT = tuple("01234567")


@pytest.mark.parametrize(
    ("changes", "gpus", "expected"),
    [
        ({}, (), [Slot()]),
        ({"jobs_at_once": 3}, (), [Slot(threads=5)] * 3),
        ({"jobs_at_once": 40}, (), [Slot(threads=1)] * 40),
        ({"gpus_per_job": 4}, EIGHT, [Slot(gpus=g, threads=8) for g in (EIGHT[:4], EIGHT[4:])]),
        ({"gpus_per_job": 4, "jobs_at_once": 1}, EIGHT, [Slot(gpus=EIGHT[:4])]),
        ({"gpus_per_job": 4, "jobs_at_once": 9}, EIGHT[:5], [Slot(gpus=EIGHT[:4])]),
        ({"gpus_per_job": 4}, EIGHT[:3], [Slot(gpus=EIGHT[:3])]),
        ({}, EIGHT[:2], [Slot(gpus=("0",), threads=8), Slot(gpus=("1",), threads=8)]),
    ],
)
def test_as_many_slots_as_the_gpus_allow(changes, gpus, expected):
    assert slots_of(LearnerSettings(**changes), gpus, cores=16) == expected


def test_a_job_over_several_hosts_has_them_to_itself():
    over_two = {"nodes_per_job": 2, "rendezvous": RendezvousSettings(address="192.0.2.1")}
    assert slots_of(LearnerSettings(**over_two), EIGHT, cores=16) == [Slot()]
    with pytest.raises(ValidationError, match="jobs_at_once above 1 needs nodes_per_job of 1"):
        LearnerSettings(jobs_at_once=2, **over_two)


def test_only_the_gpus_that_the_service_may_use_are_given_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5,-1,3")
    assert own_gpus.own_gpus("auto") == ["2", "GPU-5"]
    assert own_gpus.own_gpus("cpu") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert own_gpus.own_gpus("cuda") == []


def test_the_driver_is_asked_for_cards_and_for_their_parts():
    listed = (
        "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0a)\n"
        "  MIG 3g.40gb     Device  0: (UUID: MIG-1a)\n"
        "  MIG 3g.40gb     Device  1: (UUID: MIG-1b)\n"
        "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-0b)\n"
    )
    assert own_gpus.read_list(listed) == ["MIG-1a", "MIG-1b", "GPU-0b"]
    assert own_gpus.read_list("No devices found.\n") == []


async def test_rooms_are_given_out_until_there_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_placement, "own_gpus", lambda device: list("abcde"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(12)))
    placement = LocalPlacement(LearnerSettings(gpus_per_job=2), Hosts(), WorkerLinks())
    first, second = placement.acquire(SPEC), placement.acquire(SPEC)
    assert (placement.most_jobs, placement.acquire(SPEC)) == (2, None)
    launch = await second.plan(OF_TWO, 0, lambda: False)
    assert (launch.gpus, launch.threads, launch.processes) == (("c", "d"), 3, 2)
    first.release()
    again = placement.acquire(SPEC)
    assert (await again.plan(SPEC, 0, lambda: False)).gpus == ("a", "b")


def test_a_worker_sees_its_own_gpus_and_has_its_own_threads(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    def variables(launch: Launch) -> dict[str, str]:
        task = WorkerTask(
            job_id="one",
            folder_path=tmp_path,
            blobs=tmp_path,
            model_source="small",
            attempt=1,
            spec=SPEC,
            settings=LearnerSettings(),
            launch=launch,
        )
        own = worker_process.environment_of(task)
        return {
            name: own[name] for name in own.keys() & {"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"}
        }

    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert variables(Launch()) == {}
    given = Launch(gpus=("2", "3"), threads=4)
    assert variables(given) == {"CUDA_VISIBLE_DEVICES": "2,3", "OMP_NUM_THREADS": "4"}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which an operator chose
    assert variables(given)["OMP_NUM_THREADS"] == "1"
