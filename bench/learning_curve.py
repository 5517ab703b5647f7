"""Held-out exact rate over samples and over seconds: Tally beside TRL's GRPOTrainer.

    python -m bench.learning_curve [--quick] [--results FOLDER] [--estimator sampled|exact_counts]

Both teach the small policy, which under-counts from 5 up, with the same LoRA, learning rate, group
size, temperature, loss, data and number of samples, each with its own generation. Tally does so
strictly on-policy, as TRL; with a staleness of 1, where the next step is sampled while this one is
learnt from, and truncated importance weights make up for it; and strictly on-policy with the exact
gradient over counts, which asks for one greedy answer where the others sample a group.
`--estimator` leaves out the runs with the other one. Every few steps
the adapter is set aside; afterwards one and the same greedy decoding answers the held-out scenes
with all of them. Seconds are those of training, checkpoints included; the first step, in which both
sides still load libraries, counts as much as the median one. With `--results` every finished run is
kept there and not done again.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import TrainerCallback

from bench.curves import GOAL, Point, difference, seconds_to_goal
from bench.examiner import ALPHA, MAX_TOKENS, RANK, Adapter, Examiner, reward
from bench.jobs import running_stack, write_dataset
from bench.machine_load import own_machine
from bench.report import options, print_json, print_table
from bench.scenes import Example, examples
from bench.trl_side import TrlSettings, TrlSide
from tally.job.choices import Estimator
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_SIDE_PIXELS, _TRAINING_IMAGES = 112, 300
_PROMPTS, _GENERATIONS = 8, 8
_LEARNING_RATE = 2e-4


def tally_adapters(
    seed: int,
    steps: int,
    every: int,
    data: Sequence[Example],
    folder: Path,
    *,
    staleness: int = 0,
    estimator: Estimator = Estimator.SAMPLED,
) -> Iterator[tuple[int, float, Adapter]]:
    """Step, seconds since training began, adapter."""
    write_dataset(folder / "data.zip", data)
    kept = {"CHECKPOINTS_KEPT": str(steps)}
    with running_stack(folder, POLICY_PATH, learner=kept) as stack:
        digest = stack.put(folder / "data.zip")
        spec = _spec(digest, seed, steps, every, staleness=staleness, estimator=estimator)
        job_id, times = "", []
        for job_id, event in stack.run(spec):  # noqa: B007 - read after the loop
            if event.WhichOneof("event") in ("worker_started", "step_done"):
                times.append(event.time.ToNanoseconds() / 1e9)
        seconds = training_seconds(times)
        for step in range(every, steps + 1, every):
            path = stack.checkpoint(job_id, step) / "adapter_model.safetensors"
            yield step, seconds[step - 1], load_file(path)


def training_seconds(times: Sequence[float]) -> list[float]:
    """Start and ends of steps → seconds until the end of each, the first taken as the median."""
    steps = [end - start for start, end in pairwise(times)]
    return list(accumulate([median(steps), *steps[1:]]))


def _spec(
    dataset_digest: str,
    seed: int,
    steps: int,
    every: int,
    *,
    staleness: int,
    estimator: Estimator,
) -> pb.JobSpec:
    return pb.JobSpec(
        dataset_digest=dataset_digest,
        train=pb.Training(
            evaluation_share=0,
            config=pb.TrainingConfig(
                num_epochs=1000,
                max_steps=steps,
                save_steps=every,
                batch_size=_PROMPTS,
                gradient_accumulation_steps=1,
                num_generations=_GENERATIONS,
                learning_rate=_LEARNING_RATE,
                learning_rate_schedule=pb.LEARNING_RATE_SCHEDULE_CONSTANT,
                temperature=1.0,
                use_4bit=False,
                max_image_size=_SIDE_PIXELS,
                max_new_tokens=MAX_TOKENS,
                staleness=staleness,
                estimator=pb.Estimator.Value(f"ESTIMATOR_{estimator.name}"),
                seed=seed,
            ),
            lora=pb.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0),
        ),
    )


class _Snapshots(TrainerCallback):
    """Sets the adapter aside every few steps, and notes the time of each."""

    def __init__(self, every: int) -> None:
        self._every = every
        self.times: list[float] = []
        self.adapters: dict[int, Adapter] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.times.append(time.monotonic())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.times.append(time.monotonic())
        if state.global_step % self._every == 0:
            weights = get_peft_model_state_dict(kwargs["model"])
            copied = {name: tensor.detach().clone() for name, tensor in weights.items()}
            self.adapters[state.global_step] = copied


def trl_adapters(
    seed: int, steps: int, every: int, data: Sequence[Example], folder: Path
) -> Iterator[tuple[int, float, Adapter]]:
    """As tally_adapters."""
    settings = TrlSettings(
        model_path=POLICY_PATH,
        num_generations=_GENERATIONS,
        prompts_per_pass=_PROMPTS,
        max_completion_length=MAX_TOKENS,
        learning_rate=_LEARNING_RATE,
        max_steps=steps,
        lora_r=RANK,
        lora_alpha=ALPHA,
        seed=seed,
    )
    side, snapshots = TrlSide(settings, data, folder, reward), _Snapshots(every)
    side.trainer.add_callback(snapshots)
    side.trainer.train()
    seconds = training_seconds(snapshots.times)
    for step, adapter in snapshots.adapters.items():
        yield step, seconds[step - 1], adapter


EXACT, TRL = "Tally, exact counts", "TRL"
SIDES: dict[str, Callable[..., Iterator[tuple[int, float, Adapter]]]] = {
    "Tally": tally_adapters,
    "Tally, one step ahead": partial(tally_adapters, staleness=1),
    EXACT: partial(tally_adapters, estimator=Estimator.EXACT_COUNTS),
    TRL: trl_adapters,
}
# By the estimator that is chosen: the runs beside TRL's.
_CHOSEN = {
    Estimator.SAMPLED: [name for name in SIDES if name not in (EXACT, TRL)],
    Estimator.EXACT_COUNTS: [EXACT],
}


def curve(
    name: str, seed: int, *, steps: int, every: int, held_out: Sequence[Example], kept: Path
) -> list[Point]:
    """One run of one side; read from `kept` where it is there already."""
    path = kept / f"{name}-{seed}-{steps}-{every}-{len(held_out)}.json"
    if not path.exists():
        data = examples(_TRAINING_IMAGES, _SIDE_PIXELS, seed=1)
        with tempfile.TemporaryDirectory() as folder:
            with own_machine():
                taken = list(SIDES[name](seed, steps, every, data, Path(folder)))
            examiner = Examiner(held_out, Path(folder))
            points = [Point(step=n, seconds=s, right=examiner.mark(a)) for n, s, a in taken]
        path.write_text(json.dumps([asdict(point) for point in points]))
    return [Point(**fields) for fields in json.loads(path.read_text())]


def main() -> None:
    parser = options((__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, help="a folder to keep finished runs in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44, 45])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=4, help="steps between two examinations")
    parser.add_argument(
        "--estimator", nargs="+", choices=list(Estimator), default=list(Estimator), type=Estimator
    )
    chosen = parser.parse_args()
    names = [name for estimator in chosen.estimator for name in _CHOSEN[estimator]] + [TRL]
    if chosen.quick:
        chosen.seeds, chosen.steps = chosen.seeds[:1], 8
    held_out = examples(64 if chosen.quick else 216, _SIDE_PIXELS, seed=2)
    with tempfile.TemporaryDirectory() as folder:
        kept = chosen.results or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        curves: dict[str, list[list[Point]]] = {name: [] for name in names}
        for seed in chosen.seeds:
            for name in names:
                run = curve(
                    name,
                    seed,
                    steps=chosen.steps,
                    every=chosen.every,
                    held_out=held_out,
                    kept=kept,
                )
                curves[name].append(run)
    _print(curves, vars(chosen) | {"results": None, "held_out": len(held_out)})


def _print(curves: dict[str, list[list[Point]]], settings: dict[str, Any]) -> None:
    goals = {name: [seconds_to_goal(run) for run in runs] for name, runs in curves.items()}
    figures: dict[str, Any] = {"seconds_to_goal": goals}
    rows = [[name, *values] for name, values in goals.items()]
    for name in [name for name in curves if name != TRL]:
        figures[name] = _compare(name, curves[name], curves[TRL])
        ratios = [trl / tally for tally, trl in zip(goals[name], goals[TRL], strict=True)]
        figures[name]["ratio"] = median(ratios)
        rows.append([f"{TRL} / {name}", *ratios])
    print_table([f"seconds to {GOAL}", *(f"seed {seed}" for seed in settings["seeds"])], rows)
    print_json("learning_curve", settings, figures)


def _compare(name: str, tally: list[list[Point]], trl: list[list[Point]]) -> dict[str, Any]:
    rows = []
    for number, point in enumerate(tally[0]):
        ours, theirs = [run[number] for run in tally], [run[number] for run in trl]
        ahead, noise = difference(ours, theirs, len(tally[0]))
        rates = [fmean(p.exact_rate for p in points) for points in (ours, theirs)]
        seconds = [fmean(p.seconds for p in points) for points in (ours, theirs)]
        rows.append([point.step, *rates, ahead, noise, *seconds])
    columns = ["steps", f"{name} exact", "TRL exact", "difference", "noise", f"{name} s", "TRL s"]
    print_table(columns, rows)
    return {
        "never_below": all(ahead + noise >= 0 for _, _, _, ahead, noise, _, _ in rows),
        "curve": dict(zip(columns, zip(*rows, strict=True), strict=True)),
    }


if __name__ == "__main__":
    main()
