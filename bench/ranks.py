"""The learner's step in one process and in two: `python -m bench.ranks`.

A step learns given groups of completions, one group a forward pass, and ends with the optimizer;
its passes are shared out among the processes, each with one thread. Rollouts and the publishing of
the adapter are not in it. `efficiency` is the gain over one process, divided by the processes.

The sides take turns, a few steps each, in processes of their own, so that one side's are in memory
at a time. What a process sends is counted by the kernel, for the process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Self

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its __all__

from bench import learner
from bench.measure import in_turn, median_ratio
from bench.models import SHAPES, policy_folder
from bench.report import options, print_json, print_table
from bench.tally_side import TallySettings, TallySide
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.ranks import Ranks

_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """`passes` groups of `group` completions about images of `side_pixels` in a step."""

    model: str
    passes: int
    group: int
    side_pixels: int


class Side:
    """`count` processes that step when they are told to."""

    def __init__(self, case: Case, count: int) -> None:
        self._samples = case.passes * case.group
        self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        command = [sys.executable, "-m", "bench.ranks", "--case", json.dumps(asdict(case))]
        self._processes = [
            subprocess.Popen(
                command,
                env=os.environ
                | rank_variables(rank, count, self._store.port)
                | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        self.said = self._hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.communicate()

    def samples_per_second(self) -> float:
        """Of one step."""
        started = time.perf_counter()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("step\n")
            process.stdin.flush()
        self.said = self._hear()
        return self._samples / (time.perf_counter() - started)

    def _hear(self) -> list[dict[str, int]]:
        lines = [process.stdout.readline() for process in self._processes if process.stdout]
        return [json.loads(line)["figures"] for line in lines]


def rank_variables(rank: int, count: int, port: int) -> dict[str, str]:
    """As torchrun sets them; the store is here, as it is with torchrun's agent."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


def main() -> None:
    arguments = _parse_arguments()
    if arguments.case:
        step_when_told(Case(**json.loads(arguments.case)))
        return
    repeats = 1 if arguments.quick else arguments.repeats
    said: dict[int, list[dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        case = Case(
            model=str(policy_folder(arguments.policy, Path(folder) / "policy")),
            passes=arguments.passes,
            group=arguments.group,
            side_pixels=arguments.side,
        )

        def measure(count: int) -> float:
            with Side(case, count) as side:
                rate = median(side.samples_per_second() for _ in range(_STEPS))
                said[count] = side.said
            return rate

        sides = {str(count): partial(measure, count) for count in arguments.processes}
        rates = in_turn(sides, repeats, warm_ups=0)
    _report(arguments, rates, said)


def step_when_told(case: Case) -> None:
    """One process of a side: says once that it is ready, then after every step what it sent."""
    torch.set_num_threads(1)
    with Ranks.join() as ranks, tempfile.TemporaryDirectory() as folder:
        settings = TallySettings(model_path=Path(case.model), num_generations=case.group)
        side = TallySide(settings, Path(folder), ranks)
        passes = ranks.share(_forward_passes(side, case))
        side.step(passes)  # makes the features and the optimizer's state
        _say_sent(side, 0)
        for _ in sys.stdin:
            before = _sent_bytes()
            side.step(passes)
            _say_sent(side, _sent_bytes() - before)


def _say_sent(side: TallySide, sent_bytes: int) -> None:
    gradients = sum(parameter.numel() for parameter in side.learner.parameters)
    print_json("ranks", {}, {"gradient_bytes": 4 * gradients, "sent_bytes": sent_bytes})


def _sent_bytes() -> int:
    """What this process has written anywhere; in a step that is to the other processes alone."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _forward_passes(side: TallySide, case: Case) -> list[ForwardPass]:
    """What `bench.learner` learns from, a prompt a pass."""
    given = learner.Case(
        policy=case.model,
        side_pixels=case.side_pixels,
        num_generations=case.group,
        prompts=case.passes,
    ).batch()
    return [
        side.forward_pass([example], [completions], advantages_G.unsqueeze(0))
        for example, completions, advantages_G in zip(*given, strict=True)
    ]


def _report(
    arguments: argparse.Namespace,
    rates: dict[str, list[float]],
    said: dict[int, list[dict[str, int]]],
) -> None:
    first = rates[str(arguments.processes[0])]
    gains = {count: median_ratio(of, first) for count, of in rates.items()}
    sent = {str(count): max(one["sent_bytes"] for one in of) for count, of in said.items()}
    gradients = said[arguments.processes[0]][0]["gradient_bytes"]
    print_table(
        ["processes", "samples/s", "gain", "efficiency", "sent by each, bytes a step"],
        [
            [count, median(of), gains[count], gains[count] / int(count), sent[count]]
            for count, of in rates.items()
        ],
    )
    print_table(["the adapter's gradients, bytes"], [[gradients]])
    settings = {name: getattr(arguments, name) for name in ("policy", "passes", "group", "side")}
    print_json(
        "ranks",
        settings | {"completion_tokens": learner.COMPLETION_TOKENS, "threads": 1},
        {
            "samples_per_second": rates,
            "gain": gains,
            "sent_bytes": sent,
            "gradient_bytes": gradients,
            "load": os.getloadavg(),
        },
    )


def _parse_arguments() -> argparse.Namespace:
    parser = options("the learner's step over processes")
    parser.add_argument("--policy", default="medium", choices=list(SHAPES))
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--passes", type=int, default=8, help="forward passes of a step")
    parser.add_argument("--group", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--side", type=int, default=504, help="pixels")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
