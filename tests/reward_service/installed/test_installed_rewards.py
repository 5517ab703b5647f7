"""Rewards of packages that pip installed: one that works, and those that fail."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from reward_service.installed.installed_rewards import InstalledRewards
from reward_service.rewards import REWARDS
from reward_service.servicer import SERVICE_NAME, RewardServicer
from reward_service.settings import InstalledSettings
from tally.reward.v1 import reward_pb2 as pb
from tally.reward.v1.reward_pb2_grpc import (
    RewardServiceStub,
    add_RewardServiceServicer_to_server,
)
from tests.fakes.processes import alive
from tests.fakes.serving import serve
from tests.installing import BROKEN, EXAMPLE, ROOT, install
from tests.reward_service.test_process import port_of
from tests.waiting import PATIENCE_SECONDS, eventually, wait_until

PACKAGE = "of broken-rewards 0.1"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("packages") / "installed", EXAMPLE, BROKEN)


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture(autouse=True)
def _on_the_path(packages: Path, pid_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(packages)]))
    monkeypatch.setenv("BROKEN_REWARDS_PID", str(pid_file))


@asynccontextmanager
async def service(answer_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[RewardServiceStub]:
    installed = InstalledRewards(
        InstalledSettings(start_seconds=PATIENCE_SECONDS, answer_seconds=answer_seconds)
    )
    await installed.load()
    add, servicer = add_RewardServiceServicer_to_server, RewardServicer(installed)
    async with (
        serve(add, servicer, SERVICE_NAME) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield RewardServiceStub(channel)
    await installed.close()


@pytest.fixture
async def stub() -> AsyncIterator[RewardServiceStub]:
    async with service() as stub:
        yield stub


def request(*rewards: str, texts: tuple[str, ...] = ("3", "four", "none")) -> pb.ScoreRequest:
    answers = [pb.Answer(text=text, true_count=3) for text in texts]
    weighted = [pb.WeightedReward(name=name, weight=2.0) for name in rewards]
    return pb.ScoreRequest(answers=answers, rewards=weighted)


async def refusal(stub: RewardServiceStub, *rewards: str) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Score(request(*rewards))
    return caught.value.code(), caught.value.details()


async def test_those_that_are_installed_are_listed_after_the_built_in_ones(stub):
    response = await stub.ListRewards(pb.ListRewardsRequest())
    listed = {reward.name: reward for reward in response.rewards}
    assert list(listed)[: len(REWARDS)] == list(REWARDS)
    assert {listed[name].package for name in REWARDS} == {""}
    assert listed["short_answer"].package == "tally-short-answers 1.0"
    assert listed["short_answer"].description.startswith("1 for an answer of at most 5 words")
    assert listed["short_answer"].fault == ""
    assert listed["chatty"].description == "Works, and prints [31m."
    assert listed["exact"].description == REWARDS["exact"].description
    assert "Bad-Name" not in listed


async def test_one_that_is_installed_is_scored_beside_the_built_in_ones(stub):
    texts = ("3", "A photo of 3 apples", "I can see a photo of 4 apples here")
    response = await stub.Score(request("short_answer", "exact", texts=texts))
    parts = [[part.value for part in answer.components] for answer in response.scored_answers]
    assert parts == [[1.0, 1.0], [1.0, 1.0], [pytest.approx(0.6), 0.0]]
    assert [part.name for part in response.scored_answers[0].components] == [
        "short_answer",
        "exact",
    ]
    assert [answer.reward for answer in response.scored_answers] == [4, 4, pytest.approx(1.2)]
    assert not (await stub.Score(request("short_answer", texts=()))).scored_answers


async def test_what_a_reward_prints_is_no_answer_of_it(stub):
    response = await stub.Score(request("chatty"))
    assert [answer.components[0].value for answer in response.scored_answers] == [0, 0.25, 0.75]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("raises", "raised ZeroDivisionError"),
        ("words", "raised ValueError"),
        ("not_a_number", "gave nan to answers[1]; expected a finite number of at most 1,000,000"),
        ("boundless", "gave inf to answers[0]; expected a finite number of at most 1,000,000"),
        ("too_few", "gave 2 values for 3 answers"),
        ("too_many", "gave more than 1,048,576 bytes of values"),
        ("exits", "ended its process without an answer"),
    ],
)
async def test_one_that_fails_is_named_and_costs_the_others_nothing(stub, name: str, what: str):
    for _ in range(2):
        code, message = await refusal(stub, "exact", name)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert message == f"the reward {name} {PACKAGE} {what}"
    response = await stub.Score(request("short_answer", "exact"))
    assert [answer.reward for answer in response.scored_answers] == [4.0, 2.0, 2.0]


async def test_one_that_hangs_is_stopped_at_its_deadline(pid_file: Path):
    async with service(answer_seconds=1.0) as stub:
        for _ in range(2):
            code, message = await refusal(stub, "hangs")
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert message == (
                f"the reward hangs {PACKAGE} gave no answer within 1 s and was stopped"
            )
            assert not alive(int(pid_file.read_text()))
        assert (await stub.Score(request("exact"))).scored_answers[0].reward == 2.0


async def test_one_whose_caller_is_gone_is_stopped(stub, pid_file: Path):
    call = stub.Score(request("hangs"))
    await eventually(lambda: pid_file.exists() and pid_file.read_text())
    call.cancel()
    await eventually(lambda: not alive(int(pid_file.read_text())))
    assert (await stub.Score(request("short_answer"))).scored_answers[0].reward == 2.0


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("not_there", "cannot be loaded: AttributeError"),
        ("nameless", "has no description: give its class a sentence of that name"),
        ("valueless", "has no method values, which takes a list of answers"),
    ],
)
async def test_one_that_cannot_be_used_says_why(stub, name: str, what: str):
    listed = (await stub.ListRewards(pb.ListRewardsRequest())).rewards
    assert [reward.fault for reward in listed if reward.name == name] == [what]
    code, message = await refusal(stub, name)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message == f"rewards[0].name: the reward {name} {what}"


async def test_the_secrets_of_the_service_are_not_told(
    monkeypatch: pytest.MonkeyPatch, pid_file: Path
):
    monkeypatch.setenv("TALLY_REWARD_SERVICES_SECRET", "s3cret" * 8)
    async with service() as stub:
        call = stub.Score(request("hangs"))
        await eventually(lambda: pid_file.exists() and pid_file.read_text())
        environment = Path(f"/proc/{pid_file.read_text()}/environ").read_bytes()
        call.cancel()
    assert b"BROKEN_REWARDS_PID" in environment
    assert b"TALLY_" not in environment


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_none_outlives_its_service(packages: Path, pid_file: Path, ending: signal.Signals):
    """However it hangs: the process is gone when the service is."""
    options = ["--server.port", "0", "--server.drain-seconds", "0"]
    command = [sys.executable, "-m", "reward_service", *options]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        grpc.insecure_channel(f"127.0.0.1:{port_of(process)}") as channel,
    ):
        call = RewardServiceStub(channel).Score.future(request("hangs"))
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        process.send_signal(ending)
        process.wait(timeout=PATIENCE_SECONDS)
        call.cancel()
    wait_until(lambda: not alive(int(pid_file.read_text())))
