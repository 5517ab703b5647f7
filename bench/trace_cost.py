"""What tracing costs a call and a step of the learner: where it is off, and where it is on.

    python -m bench.trace_cost [--quick]

Calls of Parse over a real channel, and steps of the learner, three ways in turn in one process:
with the places that trace replaced by nothing (absent), as they are without an endpoint (off), and
with spans that are recorded and dropped (on). Then what such a place costs while tracing is off.
"""

import asyncio
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from opentelemetry.sdk.trace import SpanProcessor

from bench.measure import in_turn, median_ratio, seconds
from bench.report import options, print_json, print_table
from bench.scenes import examples
from bench.tally_side import TallySettings, TallySide
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.channel import open_channel
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tally.samples.small_policy import POLICY_PATH
from tally.traces.export import record_spans
from tally.traces.spans import begin_span, in_trace, span

Side = Callable[[], AbstractContextManager[Any]]

# Where a call of Parse and a step of the learner trace.
_PLACES = (
    "learner_service.grpo.step.span",
    "reward_service.servicer.span",
    "tally.rpc.interceptors.serve_traced",
)
_REQUEST = reward_pb2.ParseRequest(texts=["A photo of 3 apples"] * 8)
_SIDE_PIXELS, _GROUP, _TOKENS = 112, 8, 8
_NOTHING = nullcontext()
_WHILE_OFF: Mapping[str, Callable[[], object]] = {
    "span": lambda: span("work", answers=8).__enter__(),
    "in_trace": lambda: in_trace("").__enter__(),
    "begin_span": lambda: begin_span("call", "client"),
}


@contextmanager
def _absent() -> Iterator[None]:
    with ExitStack() as patched:
        for place in _PLACES:
            patched.enter_context(patch(place, lambda *names, **attributes: _NOTHING))
        yield


_SIDES: Mapping[str, Side] = {
    "absent": _absent,
    "off": nullcontext,
    "on": lambda: record_spans(SpanProcessor(), "bench"),
}


def main() -> None:
    chosen = options((__doc__ or "").split("\n", maxsplit=1)[0]).parse_args()
    rounds, calls = (3, 20) if chosen.quick else (100, 200)
    with tempfile.TemporaryDirectory() as folder:
        learn = _given_step(Path(folder))
        sides = {name: _within(side, lambda: seconds(learn)) for name, side in _SIDES.items()}
        figures = {"a step of the learner": in_turn(sides, rounds, warm_ups=3)}
    with asyncio.Runner() as runner, _serving(runner) as port:
        sides = {
            name: _within(side, lambda: runner.run(_time_calls(port, calls)))
            for name, side in _SIDES.items()
        }
        figures["a call of Parse"] = in_turn(sides, rounds)
    looks = {
        name: min(timeit.repeat(look, number=10_000)) / 1e4 for name, look in _WHILE_OFF.items()
    }
    _print(figures, looks, {"rounds": rounds, "calls": calls})


def _within(side: Side, measure: Callable[[], float]) -> Callable[[], float]:
    def measure_side() -> float:
        with side():
            return measure()

    return measure_side


def _given_step(folder: Path) -> Callable[[], object]:
    """Forward, backward and optimizer over one group."""
    side = TallySide(TallySettings(model_path=POLICY_PATH), folder)
    completions = [[5 + number] * _TOKENS for number in range(_GROUP)]
    advantages = torch.linspace(-1, 1, _GROUP)[None]
    forward_pass = side.forward_pass(examples(1, _SIDE_PIXELS), [completions], advantages)
    return lambda: side.learn(forward_pass)


@contextmanager
def _serving(runner: asyncio.Runner) -> Iterator[int]:
    """A reward service; → its port."""

    async def start() -> RpcServer:
        server = RpcServer(
            ServerSettings(),
            service_names=[SERVICE_NAME],
            register=lambda server: reward_pb2_grpc.add_RewardServiceServicer_to_server(
                RewardServicer(), server
            ),
        )
        await server.start()
        return server

    server = runner.run(start())
    try:
        yield server.port
    finally:
        runner.run(server.stop(0))


async def _time_calls(port: int, calls: int) -> float:
    """The median of some calls, in seconds. A channel is traced or not when it is opened."""
    settings = ClientSettings(target=f"127.0.0.1:{port}")
    taken = []
    async with open_channel(settings, idempotent_methods=()) as channel:
        stub = reward_pb2_grpc.RewardServiceStub(channel)
        for _ in range(calls + 5):
            began = time.perf_counter()
            await stub.Parse(_REQUEST)
            taken.append(time.perf_counter() - began)
    return median(taken[5:])


def _print(
    figures: dict[str, dict[str, list[float]]], looks: dict[str, float], settings: dict[str, int]
) -> None:
    rows = [
        [
            name,
            *(1e6 * median(one[side]) for side in _SIDES),
            median_ratio(one["off"], one["absent"]),
            median_ratio(one["on"], one["absent"]),
        ]
        for name, one in figures.items()
    ]
    columns = ["microseconds", *_SIDES, "off over absent", "on over absent"]
    print_table(columns, rows)
    print_table(["while off", "nanoseconds"], [[name, 1e9 * one] for name, one in looks.items()])
    print_json("trace_cost", settings, {**figures, "while_off_seconds": looks})


if __name__ == "__main__":
    main()
