"""The examples in the docstrings of what others build upon: each runs and prints what it says."""

import doctest
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Each object with the fixture that gives the names which its example takes as given.
EXAMPLES = {
    "gateway.access.callers:Caller": "nothing",
    "gateway.access.rate:Rate": "nothing",
    "gateway.http.accept_language:choose_language": "nothing",
    "tally.messages.message:Message": "nothing",
    "learner_service.evaluation.paired_shares:difference_interval": "nothing",
    "learner_service.grpo.losses.bnpo:Bnpo": "nothing",
    "learner_service.grpo.losses.dapo:Dapo": "nothing",
    "learner_service.evaluation.wilson:wilson_interval": "nothing",
    "learner_service.grpo.losses.dr_grpo:DrGrpo": "nothing",
    "learner_service.grpo.losses.grpo:Grpo": "nothing",
    "learner_service.grpo.losses.gspo:Gspo": "nothing",
    "learner_service.grpo.losses.policy_loss:policy_loss": "nothing",
    "learner_service.grpo.step:StepLearner": "a_policy",
    "learner_service.grpo.trainer:GRPOTrainer": "parts_of_a_trainer",
    "learner_service.job_folder.held_out_curve:HeldOutCurve": "nothing",
    "learner_service.policy.packing:pack": "nothing",
    "learner_service.ranks:Ranks": "nothing",
    "reward_service.phrases:PhrasesBefore": "nothing",
    "reward_service.phrases:any_of": "nothing",
    "tally.sampling.engine:Engine.generate": "a_loaded_engine",
    "tally.cli.language:preferred_language": "nothing",
    "tally.client.async_client:AsyncClient": "a_gateway_with_a_job",
    "tally.client.client:Client": "a_gateway_with_a_job",
    "tally.rpc.batches:batches": "nothing",
    "tally.rpc.blobs:BlobClient": "a_blob_store",
    "tally.rpc.errors:code_of": "nothing",
}


@pytest.fixture
def nothing() -> dict[str, Any]:
    return {}


@pytest.fixture
def a_policy(random_policy_path: Path) -> dict[str, Any]:
    import torch

    from tests.learner_service.training import load_policy

    policy = load_policy(random_policy_path)
    no_image = torch.zeros(0, policy.hidden_size)
    return {"policy": policy, "features": lambda digests: [no_image for _ in digests]}


@pytest.fixture
def parts_of_a_trainer(random_policy_path: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    from tests.learner_service.training import training

    with training(random_policy_path, tmp_path, max_steps=2) as running:
        yield running.parts


@pytest.fixture
def a_loaded_engine(random_policy_path: Path) -> Iterator[dict[str, Any]]:
    import asyncio

    from rollout_service.settings import RolloutSettings
    from rollout_service.torch_replica import torch_engine

    engine = torch_engine(RolloutSettings(model=str(random_policy_path), torch_threads=1))
    asyncio.run(engine.load())
    yield {"engine": engine}
    asyncio.run(engine.close())


@pytest.fixture
def a_blob_store(tmp_path: Path) -> Iterator[dict[str, Any]]:
    import threading

    from learner_service.blobs.blob_servicer import BlobServicer
    from learner_service.blobs.blob_store import BlobStore
    from learner_service.clients.background import BackgroundLoop
    from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
    from tally.rpc.server import RpcServer
    from tally.rpc.settings import ServerSettings

    (tmp_path / "adapter.zip").write_text("weights")
    servicer = BlobServicer(BlobStore(tmp_path / "blobs"))
    loop = BackgroundLoop(threading.Event())

    async def start() -> RpcServer:
        server = RpcServer(
            ServerSettings(),
            service_names=["tally.blob.v1.BlobService"],
            register=lambda server: add_BlobServiceServicer_to_server(servicer, server),
        )
        await server.start()
        return server

    server = loop.run(start())
    yield {"folder": tmp_path, "target": f"127.0.0.1:{server.port}"}
    loop.run(server.stop(0))
    loop.close()


@pytest.fixture
def a_gateway_with_a_job() -> Iterator[dict[str, Any]]:
    from tests.fakes.gateway import FakeGateway, running_gateway

    with running_gateway(FakeGateway()) as gateway:
        yield {"url": gateway.url}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, request: pytest.FixtureRequest):
    given = request.getfixturevalue(EXAMPLES[name])
    shown = pkgutil.resolve_name(name)
    names = {**vars(sys.modules[shown.__module__]), **given}
    [example] = doctest.DocTestFinder(recurse=False).find(shown, name, globs=names)
    printed: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=printed.append)
    assert result.attempted
    assert not result.failed, "".join(printed)
