"""A step that samples inside: prompts that go through the policy once, beside those that do twice.

    python -m bench.one_pass [--quick] [--policy medium] [--sides 504 112] [--prompts 1] …

The same engine, policy, prompts and seeds: with one pass the policy reads prompts and keeps their
graph, the engine goes on from them, and completions alone are learnt through; with two the engine
reads them, and then the learner. `prompts` are seconds until the engine is asked, `sampling` those
until it has answered, `learning` those of forward and backward. Peak memory is that of three steps,
of a process per side, beyond what it holds at rest. The policy closes no answer.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import torch

from bench.endless import write_endless
from bench.measure import in_turn
from bench.models import policy_folder
from bench.peak_memory import PeakMemory
from bench.report import options, print_json, print_table, run_apart
from bench.scenes import examples
from bench.tally_side import TallySettings, TallySide
from learner_service.clients.rollouts import Completion, Prompt, Sampling
from learner_service.grpo.groups import PublishedAdapter
from learner_service.grpo.prompt_reader import PromptReader
from learner_service.grpo.step import StepLearner
from learner_service.inside.parts import policy_parts
from learner_service.inside.rollouts import InsideRollouts
from learner_service.one_pass import OnePass, ReadingOnce
from learner_service.policy.adapters import AdapterPublisher
from tally.job.settings import TrainingConfig
from tally.torch_engine.kv_cache import ReadPrompt

SIDES = {"once": OnePass.ALWAYS, "twice": OnePass.NEVER}
_PARTS = ("prompts", "sampling", "learning")
_MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: `prompts` groups of `group` completions, images of `side_pixels`."""

    model_path: str
    side_pixels: int
    prompts: int
    group: int
    max_new_tokens: int
    dtype: str
    use_4bit: bool
    device: str


@dataclass(kw_only=True)
class Job:
    """The parts of a job that samples inside, and seconds of its steps by side and part."""

    case: Case
    tally: TallySide
    rollouts: InsideRollouts
    reader: PromptReader | None = None
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, case: Case, folder: Path) -> "Job":
        settings = TallySettings(
            model_path=Path(case.model_path),
            num_generations=case.group,
            prompts_per_pass=case.prompts,
            max_new_tokens=case.max_new_tokens,
            dtype=case.dtype,
            use_4bit=case.use_4bit,
            device=case.device,
        )
        tally = TallySide(settings, folder)
        return cls(case=case, tally=tally, rollouts=InsideRollouts(tally.store))

    async def load(self) -> None:
        parts = policy_parts(self.tally.policy, self.case.model_path, use_4bit=self.case.use_4bit)
        await self.rollouts.load(lambda: parts, find_read=self._find)
        self.shown = examples(self.case.prompts, self.case.side_pixels)
        self.rows = [self.tally.stage_example(example) for example in self.shown]
        digest = AdapterPublisher(self.tally.store).publish(self.tally.policy.model)
        self.adapter = PublishedAdapter(digest=digest, step=0)
        generator = torch.Generator().manual_seed(1)
        self.advantages = torch.randn(self.case.prompts, self.case.group, generator=generator)

    async def step(self, side: str) -> float:
        """Seconds of all parts; gradients are then gone."""
        self.reader = self._reader(SIDES[side])
        marks = [time.perf_counter()]
        self.reader.prepare([self.rows], self.adapter)
        marks.append(time.perf_counter())
        completions = await self._sample()
        marks.append(time.perf_counter())
        await asyncio.to_thread(self._learn, completions)
        marks.append(time.perf_counter())
        self.tally.policy.model.zero_grad()
        for part, start, end in zip(_PARTS, marks[:-1], marks[1:], strict=True):
            self.parts[f"{side}, {part}"].append(end - start)
        return marks[-1] - marks[0]

    def _reader(self, choice: OnePass) -> PromptReader:
        policy = self.tally.policy
        reading = ReadingOnce(
            choice=choice,
            is_possible=True,
            device=self.case.device,
            use_4bit=self.case.use_4bit,
            hidden_size=policy.hidden_size,
        )
        return PromptReader(policy, self.tally.stage, reading)

    def _find(self, prompt: Prompt, adapter_digest: str) -> ReadPrompt | None:
        return self.reader.find(prompt, adapter_digest) if self.reader else None

    async def _sample(self) -> list[list[Completion]]:
        prompts = [self.tally.stage.prompt(row, seed) for seed, row in enumerate(self.rows)]
        sampling = Sampling(
            num_completions=self.case.group,
            temperature=1.0,
            max_new_tokens=self.case.max_new_tokens,
        )
        return await self.rollouts.generate(prompts, self.adapter.digest, sampling)

    def _learn(self, completions: Sequence[Sequence[Completion]]) -> None:
        assert self.reader
        forward_pass = self.tally.forward_pass(
            self.shown, [[one.token_ids for one in group] for group in completions], self.advantages
        )
        learner = StepLearner(
            self.tally.policy,
            self.tally.stage.features,
            TrainingConfig(temperature=1.0),
            take_read=self.reader.take,
        )
        learner.learn(forward_pass)
        learner.finish()


async def measure(case: Case, repeats: int) -> dict[str, list[float]]:
    """Seconds of steps by side, and by side and part."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job.of(case, Path(folder))
        await job.load()
        loop = asyncio.get_running_loop()

        def run(side: str) -> float:
            return asyncio.run_coroutine_threadsafe(job.step(side), loop).result()

        timers = {side: (lambda side=side: run(side)) for side in SIDES}
        whole = await asyncio.to_thread(in_turn, timers, repeats)
        await job.rollouts.close()
    return whole | {name: times[-repeats:] for name, times in job.parts.items()}


async def report_peak(case: Case, side: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = Job.of(case, Path(folder))
        await job.load()
        memory = PeakMemory(case.device)
        for _ in range(3):
            await job.step(side)
        print_json("peak", asdict(case), {"growth": memory.figures().growth})
        await job.rollouts.close()


def peak_of(case: Case, side: str) -> int:
    """Bytes beyond those at rest, of a process of its own."""
    given = json.dumps(asdict(case))
    return int(run_apart("bench.one_pass", "--peak", side, "--case", given)["growth"])


def main() -> None:
    chosen = _parse_arguments()
    if chosen.peak:
        asyncio.run(report_peak(Case(**json.loads(chosen.case)), chosen.peak))
        return
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = policy_folder(chosen.policy, folder / "policy", dtype=chosen.dtype)
        model = write_endless(policy, folder / "endless")
        for side_pixels in chosen.sides:
            case = Case(
                model_path=str(model),
                side_pixels=side_pixels,
                prompts=chosen.prompts,
                group=chosen.group,
                max_new_tokens=chosen.max_new_tokens,
                dtype=chosen.dtype,
                use_4bit=chosen.use_4bit,
                device=chosen.device,
            )
            times = asyncio.run(measure(case, 2 if chosen.quick else chosen.repeats))
            peaks = {side: peak_of(case, side) for side in SIDES}
            figures[f"{side_pixels} px"] = {"seconds": times, "peak_bytes": peaks}
            rows += [_row(side_pixels, side, times, peaks[side]) for side in SIDES]
    print_table(["px", "prompts read", *_PARTS, "step s", "over twice", "peak MiB"], rows)
    print_json("one_pass", {n: v for n, v in vars(chosen).items() if n != "case"}, figures)


def _row(
    side_pixels: int, side: str, times: dict[str, list[float]], peak_bytes: int
) -> list[object]:
    parts = [median(times[f"{side}, {part}"]) for part in _PARTS]
    whole = median(times[side])
    return [side_pixels, side, *parts, whole, whole / median(times["twice"]), peak_bytes / _MIB]


def _parse_arguments() -> argparse.Namespace:
    parser = options("prompts that go through the policy once, or twice")
    parser.add_argument("--policy", default="medium", choices=["small", "medium", "3b"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--use-4bit", action="store_true")
    parser.add_argument("--sides", type=int, nargs="+", default=[504, 112], help="pixels")
    parser.add_argument("--prompts", type=int, default=1, help="of a step")
    parser.add_argument("--group", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--max-new-tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peak", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
