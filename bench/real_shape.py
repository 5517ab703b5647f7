"""A job at the real size through `tally up`: seconds, and peak memory beside preflight's estimate.

    python -m bench.real_shape [--quick] [--layers 4] [--precision bfloat16|float32|4bit] …

The model is as wide as Qwen2.5-VL-3B, its vocabulary included, with as many layers as asked for (36
are all) and random weights. Seconds are the job's own, loading those from its phases. Memory is
what was resident: a process's own, files that it has mapped (libraries, and weights that are held
as they are stored), and the most of both together. With 4bit what is not quantised is in --kept.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.process_memory import ProcessMemory
from bench.real_shape_folder import write_real_shape
from bench.report import options, print_json, print_table
from bench.scenes import examples
from bench.upload import write_upload
from tally.cli.client.api_client import ApiClient, Json, flat_step
from tally.cli.client.events import follow
from tally.cli.stack.ports import free_port

_GIB = 1024**3
# With a reference, groups are learnt from though random weights earn equal rewards.
_BETA = 0.001
_LOADING, _STEPS = "loading", "steps"
# What preflight calls the estimate of the process that runs a module.
_ESTIMATES = {"learner_service.worker.start": "memory", "rollout_service": "replica_memory"}


@dataclass(frozen=True, kw_only=True)
class RealShape:
    """What is run; `kept` is the precision beside NF4."""

    layers: int
    precision: str
    kept: str
    steps: int
    prompts: int
    num_generations: int
    max_new_tokens: int
    side_pixels: int
    lora_r: int

    @property
    def use_4bit(self) -> bool:
        return self.precision == "4bit"

    def environment(self) -> dict[str, str]:
        """Learner and replica in the same precision."""
        dtype = self.kept if self.use_4bit else self.precision
        return {
            "TALLY_LEARNER_DTYPE": dtype,
            "TALLY_ROLLOUT_DTYPE": dtype,
            "TALLY_ROLLOUT_USE_4BIT": str(self.use_4bit).lower(),
            "TALLY_ROLLOUT_REQUEST_TIMEOUT_SECONDS": "86400",
            "TALLY_LEARNER_ROLLOUT__TIMEOUT_SECONDS": "86400",
        }

    def training_request(self, file_id: str) -> Json:
        return {
            "job_name": "real shape",
            "data_file_id": file_id,
            "training_config": {
                "max_steps": self.steps,
                "gradient_accumulation_steps": self.prompts,
                "num_generations": self.num_generations,
                "max_new_tokens": self.max_new_tokens,
                "max_image_size": self.side_pixels,
                "temperature": 1.0,
                "beta": _BETA,
                "use_4bit": self.use_4bit,
            },
            "lora_config": {"r": self.lora_r, "lora_alpha": 2 * self.lora_r},
        }


@dataclass(kw_only=True)
class RunFigures:
    """Seconds of each part, metrics of each step, and what preflight said of the job."""

    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[Json] = field(default_factory=list)
    preflight: Json = field(default_factory=dict)


@contextmanager
def running_stack(shape: RealShape, model: Path, data_dir: Path) -> Iterator[str]:
    """`tally up` over `model`, once all of it is ready; its URL.

    Raises RuntimeError where it ends before.
    """
    port = free_port()
    command = [sys.executable, "-m", "tally.cli", "up", "--engine", "transformers"]
    command += ["--model", str(model), "--data-dir", str(data_dir), "--port", str(port)]
    environment = os.environ | shape.environment()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        _wait_until_ready(process.stdout or ())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def _wait_until_ready(lines: Iterable[str]) -> None:
    said = []
    for line in lines:
        said.append(line)
        if "answers at" in line:
            return
    raise RuntimeError(f"tally up ended before it answered:\n{''.join(said)}")


def run(shape: RealShape, model: Path, folder: Path) -> tuple[RunFigures, ProcessMemory]:
    figures = RunFigures()
    started = time.perf_counter()
    memory = ProcessMemory(os.getpid())
    memory.stage = _LOADING
    with (
        memory.watching(),
        running_stack(shape, model, folder / "data") as url,
        ApiClient(url) as client,
    ):
        figures.seconds["stack with replica"] = time.perf_counter() - started
        archive = write_upload(folder / "data.zip", examples(shape.prompts, shape.side_pixels))
        with archive.open("rb") as file:
            file_id = client.upload(file, archive.name)["file_id"]
        request = shape.training_request(file_id)
        _run_job(client, request, memory, figures)
        figures.preflight = client.preflight(request)
    return figures, memory


def _run_job(client: ApiClient, request: Json, memory: ProcessMemory, figures: RunFigures) -> None:
    """Raises RuntimeError where the job does not complete."""
    entered = time.perf_counter()
    for event in follow(client, client.train(request)["job_id"]):
        match event.kind:
            case "phase" if event.data["phase"] == "rollout" and memory.stage == _LOADING:
                memory.stage = _STEPS
                figures.seconds["worker with policy"] = time.perf_counter() - entered
            case "step":
                figures.steps.append(flat_step(event.data))
            case "ended" if event.data["status"] != "completed":
                raise RuntimeError(event.data["error_message"])
    figures.seconds["job"] = time.perf_counter() - entered


def print_figures(shape: RealShape, figures: RunFigures, memory: ProcessMemory) -> None:
    seconds = [[name, value] for name, value in figures.seconds.items()]
    seconds += [
        [f"step {step['step']}: {name.removesuffix('_seconds')}", step[name]]
        for step in figures.steps
        for name in ("rollout_seconds", "learning_seconds", "step_seconds")
    ]
    print_table(["what", "seconds"], seconds)
    sizes = [f"{name} GiB" for name in ("loading", "its own", "mapped", "peak", "estimate")]
    print_table(["process", *sizes, "estimate over peak"], list(_memory_rows(figures, memory)))
    print_json(
        "real_shape",
        asdict(shape),
        {
            "seconds": figures.seconds,
            "steps": figures.steps,
            "peak_bytes": memory.highest,
            "shared_out_bytes": memory.shared_out,
            "estimate": {name: figures.preflight[name] for name in _ESTIMATES.values()},
        },
    )


def _memory_rows(figures: RunFigures, memory: ProcessMemory) -> Iterator[list[object]]:
    for module, peak in memory.highest.items():
        whole = memory.peak(module)
        loading = memory.peaks.get((module, _LOADING), whole)
        sizes = (loading.resident, whole.own, whole.mapped, peak)
        row: list[object] = [module, *(size / _GIB for size in sizes)]
        if module in _ESTIMATES:
            estimated = figures.preflight[_ESTIMATES[module]]["estimated_bytes"]
            row += [estimated / _GIB, estimated / peak]
        yield row + [""] * (7 - len(row))
    yield ["all, shared pages once", "", "", "", memory.shared_out / _GIB, "", ""]


def main() -> None:
    arguments = _parse_arguments()
    layers = 1 if arguments.quick else arguments.layers
    shape = RealShape(
        layers=layers,
        precision=arguments.precision,
        kept=arguments.kept,
        steps=arguments.steps,
        prompts=arguments.prompts,
        num_generations=arguments.groups,
        max_new_tokens=4 if arguments.quick else arguments.max_new_tokens,
        side_pixels=112 if arguments.quick else arguments.side_pixels,
        lora_r=arguments.lora_r,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        started = time.perf_counter()
        model = write_real_shape(folder / f"qwen2.5-vl-3b-{layers}-layers", layers=layers)
        written = time.perf_counter() - started
        figures, memory = run(shape, model, Path(temporary))
        figures.seconds = {"folder": written} | figures.seconds
    print_figures(shape, figures, memory)


def _parse_arguments() -> argparse.Namespace:
    parser = options("a job at the real size through `tally up`")
    parser.add_argument("--layers", type=int, default=4, help="of the decoder; 36 are all")
    precisions = ["float32", "bfloat16", "4bit"]
    parser.add_argument("--precision", default="bfloat16", choices=precisions)
    parser.add_argument("--kept", default="float32", choices=precisions[:2], help="beside 4bit")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=1, help="of a step")
    parser.add_argument("--groups", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--max-new-tokens", type=int, default=16)
    parser.add_argument("--side-pixels", type=int, default=504, help="a multiple of 28")
    parser.add_argument("--lora-r", type=int, default=64)
    parser.add_argument("--folder", help="where models are written, and found if they are there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
