"""Memory and time per step of a long job, its first tenth against its last.

    python -m bench.flatness [--quick]

A real job in real processes. The learning rate is next to nothing, so that the policy and with it
the work of a step stays the same; what then grows is ours. The time that the processes compute
(CPU) is hardly touched by what else the machine does, unlike the time that passes.
"""

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.jobs import running_stack, write_dataset
from bench.processes import cpu_seconds, resident_bytes
from bench.report import options, print_json, print_table
from bench.scenes import examples
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_PROMPTS, _IMAGES, _SIDE_PIXELS = 4, 32, 56
_MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What was seen when a step was done, by process: bytes of memory, seconds of CPU so far."""

    seconds: float
    memory: dict[str, int]
    cpu_seconds: dict[str, float]


def measure(steps: int, folder: Path) -> list[Moment]:
    """One moment for each step."""
    write_dataset(folder / "data.zip", examples(_IMAGES, _SIDE_PIXELS))
    moments = []
    with running_stack(folder, POLICY_PATH) as stack:
        spec = pb.JobSpec(
            dataset_digest=stack.put(folder / "data.zip"),
            train=pb.Training(
                evaluation_share=0,
                config=pb.TrainingConfig(
                    num_epochs=10_000,
                    max_steps=steps,
                    batch_size=_PROMPTS,
                    gradient_accumulation_steps=1,
                    num_generations=2,
                    learning_rate=1e-12,
                    temperature=1.0,
                    use_4bit=False,
                    max_image_size=_SIDE_PIXELS,
                    max_new_tokens=12,
                ),
                lora=pb.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0),
            ),
        )
        for _, event in stack.run(spec):
            if event.WhichOneof("event") == "step_done" and event.step_done.step < steps:
                pids = stack.pids | {"worker": stack.worker_pid()}
                memory = {name: resident_bytes(pid) for name, pid in pids.items()}
                cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
                now = event.time.ToNanoseconds() / 1e9
                moments.append(Moment(seconds=now, memory=memory, cpu_seconds=cpu))
    return moments


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--steps", type=int, default=2000)
    chosen = parser.parse_args()
    steps = 120 if chosen.quick else chosen.steps
    with tempfile.TemporaryDirectory() as folder:
        moments = measure(steps, Path(folder))
    # The first epoch fills the store of vision features, as it should.
    moments = moments[2 * _IMAGES // _PROMPTS :]
    tenth = len(moments) // 10
    figures = _figures(moments, tenth)
    rows = [[name, *values.values()] for name, values in figures.items()]
    print_table(["", f"first {tenth} steps", f"last {tenth} steps", "ratio"], rows)
    print_json("flatness", {"steps": steps, "prompts": _PROMPTS, "images": _IMAGES}, figures)


def _figures(moments: list[Moment], tenth: int) -> dict[str, dict[str, float]]:
    seconds = [b.seconds - a.seconds for a, b in pairwise(moments)]
    figures = {"seconds per step": _compare(seconds, tenth)}
    for name in moments[0].memory:
        figures[f"CPU seconds per step of the {name}"] = _rates(
            [moment.cpu_seconds[name] for moment in moments], tenth
        )
        memory = [moment.memory[name] / _MIB for moment in moments]
        figures[f"MiB of the {name}"] = _compare(memory, tenth)
    return figures


def _rates(totals: list[float], tenth: int) -> dict[str, float]:
    """A step is too short for the kernel's clock, a tenth of all is not."""
    first = (totals[tenth] - totals[0]) / tenth
    last = (totals[-1] - totals[-1 - tenth]) / tenth
    return {"first": first, "last": last, "ratio": last / first if first else 1.0}


def _compare(values: list[float], tenth: int) -> dict[str, float]:
    first, last = median(values[:tenth]), median(values[-tenth:])
    return {"first": first, "last": last, "ratio": last / first}


if __name__ == "__main__":
    main()
