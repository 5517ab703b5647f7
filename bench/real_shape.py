"""A job at the real size through `tally up`: seconds, and peak memory beside preflight's estimate.

    python -m bench.real_shape [--quick] [--layers 4] [--precision bfloat16|float32|4bit] …

The model is as wide as Qwen2.5-VL-3B, its vocabulary included, with as many layers as asked for (36
are all) and random weights. Seconds are the job's own, loading those from its phases. Memory is
what was resident: a process's own, files that it has mapped (libraries, and weights that are held
as they are stored), and the most of both together. With 4bit what is not quantised is in --kept.
"""

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

from bench.memory_parts import MemoryParts
from bench.process_memory import ProcessMemory
from bench.real_shape_folder import write_real_shape
from bench.real_shape_settings import RealShape, chosen_shape, shape_options
from bench.report import print_json, print_table
from bench.scenes import examples
from bench.upload import write_upload
from tally.cli.answers import Json
from tally.cli.stack.ports import free_port
from tally.client import Client
from tally.client.answers import TrainRequest

_GIB = 1024**3
_LOADING, _STEPS = "loading", "steps"
# What preflight calls the estimate of the process that runs a module.
_ESTIMATES = {"learner_service.worker.start": "memory", "rollout_service": "replica_memory"}


@dataclass(kw_only=True)
class RunFigures:
    """Seconds of each part, metrics of each step, what preflight said of the job, and what each
    module's processes held: once all was loaded, and when all together held most until it ended."""

    seconds: dict[str, float] = field(default_factory=dict)
    loaded: dict[str, MemoryParts] = field(default_factory=dict)
    most: dict[str, MemoryParts] = field(default_factory=dict)
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
    command += ["--rollouts", shape.rollouts]
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
        Client(url) as client,
    ):
        figures.seconds["stack with replica"] = time.perf_counter() - started
        archive = write_upload(folder / "data.zip", examples(shape.prompts, shape.side_pixels))
        with archive.open("rb") as file:
            file_id = client.upload(file, archive.name)["file_id"]
        request = shape.training_request(file_id)
        _run_job(client, request, memory, figures)
        figures.preflight = client.preflight(request)
    return figures, memory


def _run_job(
    client: Client, request: TrainRequest, memory: ProcessMemory, figures: RunFigures
) -> None:
    """Raises RuntimeError where the job does not complete."""
    entered = time.perf_counter()
    for event in client.watch(client.train(request)["job_id"]):
        works = event.kind == "step" or event.data.get("phase") == "rollout"
        if works and memory.stage == _LOADING:
            memory.stage, figures.loaded = _STEPS, memory.parts_now()
            figures.seconds["worker with policy"] = time.perf_counter() - entered
        match event.kind:
            case "step":
                figures.steps.append(event.data)
            case "ended" if event.data["status"] != "completed":
                raise RuntimeError(event.data["error_message"])
    figures.seconds["job"], figures.most = time.perf_counter() - entered, memory.parts


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
    arguments = shape_options("a job at the real size through `tally up`").parse_args()
    shape = chosen_shape(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        started = time.perf_counter()
        model = write_real_shape(folder, layers=shape.layers)
        written = time.perf_counter() - started
        figures, memory = run(shape, model, Path(temporary))
        figures.seconds = {"folder": written} | figures.seconds
    print_figures(shape, figures, memory)


if __name__ == "__main__":
    main()
