"""How soon a rollout replica is free again after a request was cancelled or ran out of time.

A request fills the replica, so that others are turned away; once it is given up, a short one is
tried again and again until it is answered. The policy has random weights, so that a completion
goes on for hundreds of tokens.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import grpc

from bench import services
from bench.models import SHAPES, write_policy
from bench.report import options, print_json, print_table
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc

_FILLING = 64
_TOKENS = 1024
_GIVEN_UP_AFTER_SECONDS = 0.3
_PAUSE_SECONDS = 0.01

Stub = rollout_pb2_grpc.RolloutServiceStub


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--engines", nargs="+", default=["transformers", "vllm"])
    arguments = parser.parse_args()
    repeats = 2 if arguments.quick else 10
    with tempfile.TemporaryDirectory() as folder:
        write_policy(SHAPES["small"], Path(folder))
        taken = {engine: _measure(engine, folder, repeats) for engine in arguments.engines}
    print_table(
        ["engine", "given up by", "free after, s", "most"],
        [
            [engine, way, median(seconds), max(seconds)]
            for engine, by_way in taken.items()
            for way, seconds in by_way.items()
        ],
    )
    settings = {"repeats": repeats, "model": "small", "completions": _FILLING, "tokens": _TOKENS}
    print_json("cancellation", settings, {"seconds_until_free": taken})


def _measure(engine: str, model: str, repeats: int) -> dict[str, list[float]]:
    with (
        services.run_service(
            *("rollout_service", "--server.port", "0", "--engine", engine),
            *("--model", model, "--torch-threads", "1"),
            *("--max-batch-completions", str(_FILLING), "--max-waiting-completions", "0"),
        ) as service,
        grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        stub = Stub(channel)
        _wait_until_answered(stub)
        ways: dict[str, Callable[[Stub], None]] = {"cancel": _cancel, "deadline": _run_out}
        return {way: [_seconds_until_free(stub, ways[way]) for _ in range(repeats)] for way in ways}


def _seconds_until_free(stub: Stub, give_up: Callable[[Stub], None]) -> float:
    give_up(stub)
    started = time.perf_counter()
    _wait_until_answered(stub)
    return time.perf_counter() - started


def _cancel(stub: Stub) -> None:
    call = stub.Generate.future(_request(_FILLING, _TOKENS))
    time.sleep(_GIVEN_UP_AFTER_SECONDS)
    assert not call.done(), call
    call.cancel()


def _run_out(stub: Stub) -> None:
    try:
        stub.Generate(_request(_FILLING, _TOKENS), timeout=_GIVEN_UP_AFTER_SECONDS)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise


def _wait_until_answered(stub: Stub) -> None:
    while True:
        try:
            stub.Generate(_request(1, 1))
        except grpc.RpcError as error:
            busy = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
            if error.code() not in busy:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _request(num_completions: int, max_new_tokens: int) -> rollout_pb2.GenerateRequest:
    return rollout_pb2.GenerateRequest(
        prompt_token_ids=range(10, 20),
        num_completions=num_completions,
        sampling=rollout_pb2.SamplingParameters(
            temperature=2.0, max_new_tokens=max_new_tokens, seed=1
        ),
    )


if __name__ == "__main__":
    main()
