"""What a step of a real job takes, beside the same job in another checkout.

    python -m bench.worker_events [--beside FOLDER] [--inside] [--quick]

A checkout from before a worker spoke gRPC alone says what that costs: there events went through a
pipe, and files were written in place. Each side starts reward, rollout and learner of its own
checkout and trains the small policy at 112 px; the sides take turns. `--inside` is the same job
sampling by itself, without a rollout service. CPU time is that of the learner and its worker
together: what a rollout service takes is not in it.
"""

import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from bench.jobs import running_stack, write_dataset
from bench.measure import median_ratio
from bench.processes import cpu_seconds
from bench.report import options, print_json, print_table
from bench.scenes import examples
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_HOUSE = Path(__file__).parent.parent
_PROMPTS, _IMAGES, _SIDE_PIXELS = 4, 32, 112
_FIRST_EPOCH = 2 * _IMAGES // _PROMPTS  # fills the store of vision features
_FIGURES = ("seconds", "cpu_seconds")


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, in turn with this one")
    parser.add_argument("--inside", action="store_true", help="a job that samples inside, in turn")
    parser.add_argument("--alone", action="store_true", help="one job of this checkout, as JSON")
    arguments = parser.parse_args()
    steps, repeats = (_FIRST_EPOCH + 16, 1) if arguments.quick else (_FIRST_EPOCH + 200, 5)
    if arguments.alone:
        sys.stdout.write(json.dumps(measure(steps, inside=arguments.inside)))
        return
    sides: dict[str, tuple[Path, list[str]]] = {"this": (_HOUSE, [])}
    if arguments.beside:
        sides["beside"] = (arguments.beside, [])
    if arguments.inside:
        sides["inside"] = (_HOUSE, ["--inside"])
    quick = ["--quick"] if arguments.quick else []
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, (house, chosen) in sides.items():
            runs[name].append(_run_in(house.resolve(), [*chosen, *quick]))
    _print(runs, {"steps": steps, "repeats": repeats, "side_pixels": _SIDE_PIXELS})


def _run_in(house: Path, chosen: list[str]) -> dict[str, float]:
    """This file over the modules of another checkout, which may not have it."""
    run = subprocess.run(
        [sys.executable, __file__, "--alone", *chosen],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=house,
        env=os.environ | {"PYTHONPATH": str(house)},
    )
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def measure(steps: int, *, inside: bool) -> dict[str, float]:
    """Of a step, once every image has been seen: the median of its seconds, and its CPU time."""
    times, cpu = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "data.zip", examples(_IMAGES, _SIDE_PIXELS))
        # Another checkout may not know the setting.
        sampling: dict[str, Any] = {"sampling": "inside"} if inside else {}
        with running_stack(folder, POLICY_PATH, **sampling) as stack:
            for _, event in stack.run(_spec(stack.put(folder / "data.zip"), steps)):
                if event.HasField("step_done") and event.step_done.step < steps:
                    times.append(event.time.ToNanoseconds() / 1e9)
                    pids = [stack.pids["learner"], stack.worker_pid()]
                    cpu.append(sum(map(cpu_seconds, pids)))
    times, cpu = times[_FIRST_EPOCH:], cpu[_FIRST_EPOCH:]
    seconds = median(after - before for before, after in pairwise(times))
    return {"seconds": seconds, "cpu_seconds": (cpu[-1] - cpu[0]) / (len(cpu) - 1)}


def _spec(dataset_digest: str, steps: int) -> pb.JobSpec:
    """The learning rate is next to nothing, so that the work of a step stays the same."""
    config = pb.TrainingConfig(
        num_epochs=10_000,
        max_steps=steps,
        batch_size=_PROMPTS,
        gradient_accumulation_steps=1,
        num_generations=8,
        learning_rate=1e-12,
        temperature=1.0,
        use_4bit=False,
        max_image_size=_SIDE_PIXELS,
        max_new_tokens=12,
        save_steps=50,
    )
    lora = pb.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0)
    training = pb.Training(evaluation_share=0, config=config, lora=lora)
    return pb.JobSpec(dataset_digest=dataset_digest, train=training)


def _print(runs: dict[str, list[dict[str, float]]], settings: dict[str, int]) -> None:
    rows: list[list[object]] = []
    for figure in _FIGURES:
        by_side = {name: [run[figure] for run in ran] for name, ran in runs.items()}
        row: list[object] = [figure.replace("_", " "), *map(median, by_side.values())]
        others = [name for name in runs if name != "this"]
        row += [median_ratio(by_side["this"], by_side[name]) for name in others]
        rows.append(row)
    ratios = [f"this over {name}" for name in runs if name != "this"]
    print_table(["of a step", *runs, *ratios], rows)
    print_json("worker_events", settings, runs)


if __name__ == "__main__":
    main()
