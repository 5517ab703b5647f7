"""Preflight's estimates of memory beside what a learner and a replica take.

    python -m bench.memory [--quick] [--folder FOLDER]

Every case is a process of its own (bench/memory_case.py) that loads a model and works two steps on
it. Memory is what is resident at the peak, mapped files and libraries included: 0.5 GiB of it is
there before anything is loaded.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its __all__

from bench.memory_case import CaseFigures, MemoryCase
from bench.models import SHAPES, Shape, write_policy
from bench.ranks import rank_variables
from bench.report import options, print_json, print_table, run_apart
from learner_service.preflight.memory import MemoryEstimate, Precision, Prompts, estimate_memory
from learner_service.preflight.replica_memory import estimate_replica_memory
from tally.families.registry import read_config
from tally.job.settings import LoraConfig, TrainingConfig

_GIB = 1024**3
_3B = SHAPES["3b"]
GRID_SHAPES: dict[str, Shape] = {
    "medium": SHAPES["medium"],
    "3b, 1 layer": replace(_3B, layers=1, vision_layers=1),
    "3b, 4 layers": replace(_3B, layers=4, vision_layers=4),
    "3b, 8 layers": replace(_3B, layers=8, vision_layers=2, vocab_size=32_000),
    # Qwen/Qwen2.5-VL-7B-Instruct, but for its untied head
    "7b, 1 layer": replace(
        _3B,
        layers=1,
        vision_layers=1,
        hidden_size=3584,
        intermediate_size=18_944,
        heads=28,
        key_value_heads=4,
        vocab_size=152_064,
    ),
}


def _case(side: str, shape: str, precision: str, **fields: Any) -> MemoryCase:
    return MemoryCase(side=side, folder=shape, precision=precision, **fields)


QUICK = (
    _case("learner", "medium", "float32"),
    _case("replica", "medium", "bfloat16", batch_size=2, max_new_tokens=8),
)
GRID = (
    *QUICK,
    _case("learner", "medium", "float32", batch_size=2, max_new_tokens=64),
    _case("learner", "medium", "bfloat16", side_pixels=1008, gradient_checkpointing=True),
    _case("learner", "3b, 1 layer", "float32"),
    _case("learner", "3b, 4 layers", "bfloat16", side_pixels=252, batch_size=2),
    _case("learner", "3b, 4 layers", "bfloat16", gradient_checkpointing=True),
    _case("learner", "3b, 4 layers", "4bit", kept="bfloat16", side_pixels=252, lora_r=16),
    _case("learner", "3b, 1 layer", "4bit", num_generations=16),
    _case("learner", "3b, 8 layers", "bfloat16", side_pixels=252, lora_dropout=0.0),
    _case("learner", "3b, 8 layers", "bfloat16", side_pixels=252, sharded_over=2),
    _case("learner", "7b, 1 layer", "bfloat16", max_new_tokens=64),
    _case("learner", "7b, 1 layer", "4bit", kept="bfloat16", side_pixels=252, lora_r=16),
    _case("replica", "medium", "float32", batch_size=4, num_generations=16, max_new_tokens=8),
    _case("replica", "3b, 1 layer", "float32", side_pixels=252, max_new_tokens=8),
    _case("replica", "3b, 4 layers", "bfloat16", max_new_tokens=8),
    _case("replica", "3b, 1 layer", "4bit", side_pixels=252, max_new_tokens=4),
    _case("replica", "3b, 4 layers", "4bit", kept="bfloat16", side_pixels=252, max_new_tokens=4),
    _case("replica", "3b, 8 layers", "bfloat16", side_pixels=252, max_new_tokens=4),
    _case("replica", "7b, 1 layer", "bfloat16", side_pixels=252, max_new_tokens=4, lora_r=16),
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A case with what was measured and what preflight says of it."""

    case: MemoryCase
    figures: CaseFigures
    estimate: MemoryEstimate

    @property
    def share(self) -> float:
        """The estimate over the peak: 1 to 1.25."""
        return self.estimate.estimated_bytes / max(self.figures.loading, self.figures.step)

    def row(self) -> list[object]:
        case, figures = self.case, self.figures
        precision = f"4bit, {case.kept}" if case.use_4bit else case.precision
        marks = ["checkpointing"] * case.gradient_checkpointing
        marks += ["no dropout"] * (not case.lora_dropout)
        marks += [f"in {case.sharded_over} parts"] * (case.sharded_over > 1)
        sizes = (figures.loading, figures.step, self.estimate.estimated_bytes)
        return [
            case.side,
            case.folder,
            precision,
            case.side_pixels,
            case.num_generations,
            case.max_new_tokens,
            case.batch_size,
            case.lora_r,
            ", ".join(marks),
            *(size / _GIB for size in sizes),
            self.share,
        ]


def measure(case: MemoryCase, model: Path) -> CaseFigures:
    """In a process of its own; of several that hold the base in parts, the one that takes most."""
    text, count = json.dumps(asdict(replace(case, folder=str(model)))), case.sharded_over
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def run_one(rank: int) -> CaseFigures:
        variables = rank_variables(rank, count, store.port)
        return CaseFigures(
            **run_apart("bench.memory_case", text, threads=threads, variables=variables)
        )

    with ThreadPoolExecutor(count) as together:
        figures = list(together.map(run_one, range(count)))
    return max(figures, key=lambda one: max(one.loading, one.step))


def estimate(case: MemoryCase, model: Path, prompt_tokens: int) -> MemoryEstimate:
    """What preflight says of a job of this case."""
    config, family = read_config(str(model))
    shape = family.shape(config)
    training = TrainingConfig(
        batch_size=case.batch_size,
        gradient_accumulation_steps=1,
        num_generations=case.num_generations,
        max_new_tokens=case.max_new_tokens,
        gradient_checkpointing=case.gradient_checkpointing,
        use_4bit=case.use_4bit,
    )
    lora = LoraConfig(r=case.lora_r, lora_dropout=case.lora_dropout)
    prompts = Prompts(
        tokens=prompt_tokens,
        image_tokens=(case.side_pixels // 28) ** 2,
        images=case.batch_size,
    )
    bytes_per_number = 4 if case.dtype == "float32" else 2
    place: dict[str, Any] = {"device": case.device, "available_bytes": 0}
    if case.side == "replica":
        precision = Precision(bytes_per_number=bytes_per_number, use_4bit=case.use_4bit)
        return estimate_replica_memory(shape, training, lora, prompts, precision, **place)
    return estimate_memory(
        shape,
        training,
        lora,
        prompts,
        bytes_per_number=bytes_per_number,
        feature_cache_bytes=_GIB,
        sharded_over=case.sharded_over,
        **place,
    )


def run(cases: Sequence[MemoryCase], folder: Path) -> Iterator[Measured]:
    for case in cases:
        name = case.folder.replace(", ", "-").replace(" ", "-")
        model = write_policy(GRID_SHAPES[case.folder], folder / name, dtype="bfloat16")
        figures = measure(case, model)
        said = estimate(case, model, figures.prompt_tokens)
        yield Measured(case=case, figures=figures, estimate=said)


def main() -> None:
    parser = options("preflight's estimates of memory beside measurement")
    parser.add_argument("--folder", help="where models are written, and found if they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        measured = list(run(QUICK if arguments.quick else GRID, folder))
    columns = ["", "shape", "precision", "px", "G", "T", "prompts", "rank", ""]
    sizes = ["loading GiB", "steps GiB", "estimate GiB", "estimate over peak"]
    print_table([*columns, *sizes], [one.row() for one in measured])
    print_json("memory", {}, {"cases": [asdict(one) for one in measured]})


if __name__ == "__main__":
    main()
