"""Which hosts a job runs on, and with how many processes, when hosts and workers are lost."""

import asyncio
from pathlib import Path

import pytest

from learner_service.events import WorkerFailed
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue import job_processes
from learner_service.queue.hosts import Host, Hosts, StopRanks
from learner_service.queue.job_processes import JobProcesses
from learner_service.queue.local_placement import LocalPlacement, spread_over
from learner_service.queue.worker_links import WorkerLink, WorkerLinks
from learner_service.queue.worker_process import WorkerExit
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Training
from tally.job.settings import TrainingConfig
from tally.messages.message import Message

SPEC = JobSpec(dataset_digest="a" * 64, base_model="small")
RAN_OUT = WorkerFailed(message="rank 1 of 2 on a ended (signal 9)", retryable=True)


def settings(**changes: object) -> LearnerSettings:
    place = RendezvousSettings(address="192.0.2.1")
    return LearnerSettings(rendezvous=place, host_wait_seconds=0, **changes)


@pytest.fixture
def place():
    """The launch of an attempt, and the further hosts that take part."""

    async def place(hosts: Hosts, spec: JobSpec = SPEC, lost: int = 0, **changes: object):
        room = LocalPlacement(settings(**changes), hosts, WorkerLinks()).acquire(spec)
        return await room.plan(spec, lost, lambda: False), room._further

    return place


def asking(processes: int) -> JobSpec:
    work = Training(config=TrainingConfig(processes=processes))
    return SPEC.model_copy(update={"work": work})


@pytest.mark.parametrize(
    ("processes", "most", "offered", "expected"),
    [(1, 1, [], (1,)), (4, 2, [2], (2, 2)), (3, 2, [2], (2, 1)), (4, 2, [1], (2, 1))],
)
def test_hosts_are_filled_in_turn(processes, most, offered, expected):
    assert spread_over(processes, most, offered) == expected


async def test_a_job_has_what_it_asks_for_of_what_there_is(place):
    hosts = Hosts()
    with hosts.lend("b", 8), hosts.lend("c", 8):
        launch, further = await place(hosts, gpus_per_job=2, nodes_per_job=3)
        assert launch.processes_by_host == (2, 2, 2)
        assert [host.name for host in further] == ["b", "c"]
        launch, further = await place(hosts, asking(3), gpus_per_job=2, nodes_per_job=3)
        assert launch.processes_by_host == (2, 1)
        launch, further = await place(hosts, asking(2), gpus_per_job=2, nodes_per_job=3)
        assert (launch.processes_by_host, further) == ((2,), [])
    launch, further = await place(hosts, gpus_per_job=2, nodes_per_job=3)
    assert (launch.processes_by_host, further) == ((2,), [])


async def test_a_comparison_alone_has_one_process(place):
    evaluates = SPEC.model_copy(update={"work": Evaluation(adapter_digest="a" * 64)})
    launch, _ = await place(Hosts(), evaluates, gpus_per_job=4)
    assert launch.processes == 1


async def test_a_count_that_was_lost_twice_is_given_up(place):
    counts = [(await place(Hosts(), lost=lost, gpus_per_job=3))[0].processes for lost in range(5)]
    assert counts == [3, 3, 2, 1, 1]


class OwnProcess:
    """Stands for WorkerProcess on the learner's own host: ends when stopped, or as it is told."""

    def __init__(self) -> None:
        self.exit: asyncio.Future[WorkerExit] = asyncio.get_running_loop().create_future()

    def __call__(self, task: WorkerTask, stop_seconds: float, link: WorkerLink) -> "OwnProcess":
        return self

    async def run(self, on_event) -> WorkerExit:
        return await self.exit

    def stop(self) -> None:
        if not self.exit.done():
            self.exit.set_result(WorkerExit(code=75, failure=None))


@pytest.fixture
async def own(monkeypatch: pytest.MonkeyPatch) -> OwnProcess:
    own = OwnProcess()
    monkeypatch.setattr(job_processes, "WorkerProcess", own)
    return own


def processes_on(host: Host, tmp_path: Path) -> JobProcesses:
    task = WorkerTask(
        job_id="one",
        folder_path=tmp_path,
        blobs=tmp_path,
        model_source="small",
        attempt=1,
        spec=SPEC,
        settings=settings(nodes_per_job=2),
        launch=Launch(processes_by_host=(1, 1)),
    )
    return JobProcesses(task, 5, WorkerLinks(), [host])


async def ignore(event: object) -> None:
    pass


async def test_a_lost_host_ends_the_processes_here_and_is_the_reason(own, tmp_path: Path):
    host = Host("b", 1)
    running = asyncio.create_task(processes_on(host, tmp_path).run(ignore))
    order = await host.orders.get()
    assert order.host_number == 1
    assert order.token
    host.lose(Message("host_silent", host=host.name, seconds=10))
    exited = await running
    assert exited.code == 75
    assert exited.failure.message == "host b has been silent for 10 seconds"


async def test_what_ends_here_ends_there_and_the_reason_may_come_later(own, tmp_path: Path):
    host = Host("b", 1)
    running = asyncio.create_task(processes_on(host, tmp_path).run(ignore))
    await host.orders.get()
    own.exit.set_result(WorkerExit(code=75, failure=None))
    assert await host.orders.get() == StopRanks()
    host.end(WorkerExit(code=1, failure=RAN_OUT))
    assert await running == WorkerExit(code=75, failure=RAN_OUT)


async def test_a_host_whose_share_is_done_leaves_the_others_at_work(own, tmp_path: Path):
    host = Host("b", 1)
    running = asyncio.create_task(processes_on(host, tmp_path).run(ignore))
    await host.orders.get()
    host.end(WorkerExit(code=0, failure=None))
    await asyncio.sleep(0)
    own.exit.set_result(WorkerExit(code=0, failure=None))
    assert await running == WorkerExit(code=0, failure=None)


async def test_a_host_that_is_gone_already_is_the_reason_too(own, tmp_path: Path):
    host = Host("b", 1)
    host.lose(Message("host_left", host=host.name))
    exited = await processes_on(host, tmp_path).run(ignore)
    left = Message("host_left", host="b")
    assert exited.failure == WorkerFailed.of(left, retryable=True)
