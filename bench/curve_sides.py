"""Those who teach a policy for the learning curves: Tally in three ways, TRL's GRPOTrainer."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import TrainerCallback

from bench.curve_tasks import SIDE_PIXELS
from bench.examiner import ALPHA, MAX_TOKENS, RANK, Adapter, reward
from bench.jobs import running_stack, write_dataset
from bench.scenes import Example
from bench.trl_side import TrlSettings, TrlSide
from tally.job.choices import Estimator
from tally.learner.v1 import learner_pb2 as pb

_PROMPTS, _GENERATIONS = 8, 8

# Step, seconds since training began, adapter.
Taught = Iterator[tuple[int, float, Adapter]]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What every side does alike."""

    policy_path: Path
    data: Sequence[Example]
    learning_rate: float
    seed: int
    steps: int
    every: int  # steps between two adapters


def tally_adapters(
    lesson: Lesson,
    folder: Path,
    *,
    staleness: int = 0,
    estimator: Estimator = Estimator.SAMPLED,
) -> Taught:
    write_dataset(folder / "data.zip", lesson.data)
    kept = {"CHECKPOINTS_KEPT": str(lesson.steps)}
    with running_stack(folder, lesson.policy_path, learner=kept) as stack:
        digest = stack.put(folder / "data.zip")
        spec = _spec(digest, lesson, staleness=staleness, estimator=estimator)
        job_id, times = "", []
        for job_id, event in stack.run(spec):  # noqa: B007 - read after the loop
            if event.WhichOneof("event") in ("worker_started", "step_done"):
                times.append(event.time.ToNanoseconds() / 1e9)
        seconds = training_seconds(times)
        for step in range(lesson.every, lesson.steps + 1, lesson.every):
            path = stack.checkpoint(job_id, step) / "adapter_model.safetensors"
            yield step, seconds[step - 1], load_file(path)


def training_seconds(times: Sequence[float]) -> list[float]:
    """Start and ends of steps → seconds until the end of each, the first taken as the median."""
    steps = [end - start for start, end in pairwise(times)]
    return list(accumulate([median(steps), *steps[1:]]))


def _spec(
    dataset_digest: str, lesson: Lesson, *, staleness: int, estimator: Estimator
) -> pb.JobSpec:
    return pb.JobSpec(
        dataset_digest=dataset_digest,
        train=pb.Training(
            evaluation_share=0,
            config=pb.TrainingConfig(
                num_epochs=1000,
                max_steps=lesson.steps,
                save_steps=lesson.every,
                batch_size=_PROMPTS,
                gradient_accumulation_steps=1,
                num_generations=_GENERATIONS,
                learning_rate=lesson.learning_rate,
                learning_rate_schedule=pb.LEARNING_RATE_SCHEDULE_CONSTANT,
                temperature=1.0,
                use_4bit=False,
                max_image_size=SIDE_PIXELS,
                max_new_tokens=MAX_TOKENS,
                staleness=staleness,
                estimator=pb.Estimator.Value(f"ESTIMATOR_{estimator.name}"),
                seed=lesson.seed,
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


def trl_adapters(lesson: Lesson, folder: Path) -> Taught:
    settings = TrlSettings(
        model_path=lesson.policy_path,
        num_generations=_GENERATIONS,
        prompts_per_pass=_PROMPTS,
        max_completion_length=MAX_TOKENS,
        learning_rate=lesson.learning_rate,
        max_steps=lesson.steps,
        lora_r=RANK,
        lora_alpha=ALPHA,
        seed=lesson.seed,
    )
    side, snapshots = TrlSide(settings, lesson.data, folder, reward), _Snapshots(lesson.every)
    side.trainer.add_callback(snapshots)
    side.trainer.train()
    seconds = training_seconds(snapshots.times)
    for step, adapter in snapshots.adapters.items():
        yield step, seconds[step - 1], adapter


EXACT, TRL = "Tally, exact counts", "TRL"
SIDES: dict[str, Callable[[Lesson, Path], Taught]] = {
    "Tally": tally_adapters,
    "Tally, one step ahead": partial(tally_adapters, staleness=1),
    EXACT: partial(tally_adapters, estimator=Estimator.EXACT_COUNTS),
    TRL: trl_adapters,
}
# By the estimator that is chosen: the runs beside TRL's.
CHOSEN = {
    Estimator.SAMPLED: [name for name in SIDES if name not in (EXACT, TRL)],
    Estimator.EXACT_COUNTS: [EXACT],
}


def samples_per_step(name: str) -> int:
    """Answers that a side decodes: the exact gradient asks for one where others sample a group."""
    return _PROMPTS if name == EXACT else _PROMPTS * _GENERATIONS
