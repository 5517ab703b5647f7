"""Forward, backward and optimizer of given completions: Tally's learner beside TRL's.

    python -m bench.learner [--quick] [--policy small|medium|3b] [--device cpu|cuda] …

Both train the same LoRA on the same model, images, completions and advantages. `first epoch` is a
step that has to encode its image, once; `later` one whose features are kept. TRL gets its pixels
prepared, and encodes them in every step. Peak memory is measured in a process per side.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from bench.machine_load import own_machine
from bench.measure import in_turn, median_ratio, seconds
from bench.models import policy_folder
from bench.peak_memory import PeakMemory
from bench.report import options, print_json, print_table, run_apart
from bench.scenes import Example, examples
from bench.tally_side import TallySettings, TallySide

COMPLETION_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: what both sides learn from in a step."""

    policy: str
    side_pixels: int
    num_generations: int
    prompts: int = 1
    dtype: str = "float32"
    use_4bit: bool = False
    device: str = "cpu"
    gradient_checkpointing: bool = False

    def shared_settings(self, folder: Path) -> dict[str, Any]:
        return {
            "model_path": folder / self.policy,
            "num_generations": self.num_generations,
            "prompts_per_pass": self.prompts,
            "dtype": self.dtype,
            "use_4bit": self.use_4bit,
            "device": self.device,
            "gradient_checkpointing": self.gradient_checkpointing,
        }

    def batch(self) -> tuple[list[Example], list[list[list[int]]], Tensor]:
        """Examples, completions of 8 tokens and advantages; the same for both sides."""
        generator = torch.Generator().manual_seed(1)
        shape = (self.prompts, self.num_generations)
        ids = torch.randint(20, 250, (*shape, COMPLETION_TOKENS), generator=generator)
        return (
            examples(self.prompts, self.side_pixels),
            ids.tolist(),
            torch.randn(*shape, generator=generator),
        )


def sides(case: Case, folder: Path) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    tally = tally_side(case, folder)
    batch = tally.forward_pass(*case.batch())
    return {
        "TRL": trl_side(case, folder),
        "Tally, first epoch": lambda: tally.learn_anew(batch),
        "Tally, later": lambda: tally.learn(batch),
    }


def tally_side(case: Case, folder: Path) -> TallySide:
    """Our learner on the policy in `folder`."""
    return TallySide(TallySettings(**case.shared_settings(folder)), folder / "tally")


def trl_side(case: Case, folder: Path) -> Callable[[], object]:
    """TRL's step on the case's batch."""
    from bench.trl_side import TrlSettings, TrlSide  # noqa: PLC0415 - its memory is TRL's alone

    given = case.batch()
    trl = TrlSide(TrlSettings(**case.shared_settings(folder)), given[0], folder / "trl")
    inputs = trl.inputs(*given)
    return lambda: trl.learn(inputs)


def measure(case: Case, folder: Path, repeats: int) -> dict[str, list[float]]:
    timers = {
        name: partial(seconds, learn, case.device) for name, learn in sides(case, folder).items()
    }
    return in_turn(timers, repeats, warm_ups=2)


def peak_of(case: Case, side: str, folder: Path) -> dict[str, Any]:
    """Bytes at rest and at the peak of three steps, in a process of its own."""
    arguments = ["--peak", side, "--case", json.dumps(asdict(case)), "--folder", str(folder)]
    return run_apart("bench.learner", *arguments)


def report_peak(case: Case, side: str, folder: Path) -> None:
    if side == "TRL":
        learn = trl_side(case, folder)
    else:
        tally = tally_side(case, folder)
        batch = tally.forward_pass(*case.batch())
        learn = partial(tally.learn, batch)
    memory = PeakMemory(case.device)
    for _ in range(3):
        learn()
    print_json("peak", asdict(case), asdict(memory.figures()))


def main() -> None:
    arguments = _parse_arguments()
    folder = Path(arguments.folder or tempfile.mkdtemp())
    if arguments.peak:
        report_peak(Case(**json.loads(arguments.case)), arguments.peak, folder)
        return
    common = {
        "policy": arguments.policy,
        "device": arguments.device,
        "dtype": arguments.dtype,
        "use_4bit": arguments.use_4bit,
    }
    policy_folder(arguments.policy, folder / arguments.policy)
    sizes = [(504, g) for g in arguments.groups]
    if not arguments.no_small_image:
        sizes.append((112, 8))
    repeats = 3 if arguments.quick else arguments.repeats
    rows: list[list[object]] = []
    figures: dict[str, Any] = {}
    for side_pixels, group in sizes:
        case = Case(side_pixels=side_pixels, num_generations=group, **common)
        with own_machine():
            times = measure(case, folder, repeats)
        figures[f"{side_pixels} px, G = {group}"] = times
        rows.append(_row(side_pixels, group, times))
    names = ["TRL s", "first epoch s", "later s", "first ×", "later ×", "samples/s"]
    print_table(["px", "G", *names], rows)
    if not arguments.no_memory:
        figures["peak"] = _print_peaks(Case(side_pixels=504, num_generations=8, **common), folder)
    print_json("learner", common | {"completion_tokens": COMPLETION_TOKENS}, figures)


def _row(side_pixels: int, group: int, times: dict[str, list[float]]) -> list[object]:
    trl, first, later = (times[name] for name in ("TRL", "Tally, first epoch", "Tally, later"))
    return [
        side_pixels,
        group,
        median(trl),
        median(first),
        median(later),
        median_ratio(trl, first),
        median_ratio(trl, later),
        group / median(later),
    ]


def _print_peaks(case: Case, folder: Path) -> dict[str, dict[str, int]]:
    peaks = {side: peak_of(case, side, folder) for side in ("TRL", "Tally")}
    megabytes = 1024**2
    rows = [
        [
            name,
            *(peak[key] / megabytes for key in ("rest", "peak")),
            (peak["peak"] - peak["rest"]) / megabytes,
        ]
        for name, peak in peaks.items()
    ]
    print_table(["504 px, G = 8", "at rest MiB", "peak MiB", "for the step MiB"], rows)
    return peaks


def _parse_arguments() -> argparse.Namespace:
    parser = options("Tally's learner beside TRL's")
    parser.add_argument("--policy", default="small", choices=["small", "medium", "3b"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--use-4bit", action="store_true")
    parser.add_argument("--groups", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-memory", action="store_true", help="time alone")
    parser.add_argument("--no-small-image", action="store_true", help="504 px alone")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--peak", choices=["TRL", "Tally"], help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
