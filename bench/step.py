"""A whole GRPO step, each side with its own generation: `python -m bench.step`.

Tally: a real job on its rollout, reward and learner services, each a process with the settings of
`tally up`. TRL: GRPOTrainer's step with its own generate, and the same reward in the process.
Model, LoRA, images, questions, group size, precision and threads are the same, and so is the policy
that both sample from: the learning rate is too small to change it.

The work is equal. The policy closes no answer, so that every completion of either side has as many
tokens as may be sampled; Tally learns from groups without variance too, as TRL does; and every step
of both is counted but each run's first, in which both still make what they keep. What came of it is
told beside the ratio, and where it differs there is no ratio. What a job gains that skips groups
without variance, as it does unless told otherwise, is a row of its own.

The sides take turns: a job of Tally's, then steps of TRL's on the same images, and again. A step
of Tally's in its job's first epoch makes the images' vision features; a later one has them.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from bench.endless import barred_ids, write_endless
from bench.equal_threads import PATIENT, SPINNING, share_threads
from bench.job_steps import Step, median_parts, run_job
from bench.jobs import Stack, running_stack
from bench.machine_load import own_machine
from bench.measure import seconds
from bench.models import policy_folder
from bench.report import options, print_json, print_table
from bench.scenes import Example, examples
from bench.step_work import Work, check_equal
from bench.trl_side import TrlSettings, TrlSide
from reward_service.score import DEFAULT_REWARDS, Answer, score_answer
from tally.learner.v1 import learner_pb2 as pb

_LEARNING_RATE = 1e-6
_MAX_NEW_TOKENS = 16
_LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32.0, "lora_dropout": 0.0}
_LEARN, _SKIP = pb.ZERO_VARIANCE_GROUPS_LEARN, pb.ZERO_VARIANCE_GROUPS_SKIP


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: images of `side_pixels`, `prompts` groups of `group` completions each step."""

    model: str
    side_pixels: int
    prompts: int
    group: int


@dataclass(kw_only=True)
class Steps:
    """Seconds of steps, and what was done in them."""

    seconds: list[float] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)

    def add(self, taken: Sequence[Step], case: Case) -> None:
        """Steps of a job of Tally's."""
        self.seconds += [step.seconds for step in taken]
        self.work += [Work.of_metrics(step.metrics, case.prompts, case.group) for step in taken]

    def mean(self) -> float:
        return fmean(self.seconds)


@dataclass(kw_only=True)
class Figures:
    """All steps of both sides; `skipping` are later ones of jobs that skip."""

    trl: Steps = field(default_factory=Steps)
    first_epoch: Steps = field(default_factory=Steps)
    later: Steps = field(default_factory=Steps)
    skipping: Steps = field(default_factory=Steps)
    parts: list[dict[str, float]] = field(default_factory=list)


def main() -> None:
    chosen = _parse_arguments()
    share_threads(chosen.waiting)
    rounds, steps = (1, 3) if chosen.quick else (4, 8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = policy_folder(chosen.model, folder / "policy")
        model = write_endless(policy, folder / "endless")
        cases = [
            Case(model=chosen.model, side_pixels=side, prompts=chosen.prompts, group=chosen.group)
            for side in chosen.sides
        ]
        stack = running_stack(folder / "tally", model, sampling=chosen.rollouts)
        with stack as running, own_machine():
            figures = [_measure(case, running, model, rounds, steps) for case in cases]
    for one in figures:
        check_equal(one.trl.work, one.first_epoch.work + one.later.work)
    settings = {"waiting": chosen.waiting, "rollouts": chosen.rollouts}
    _report(cases, figures, rounds=rounds, steps=steps, **settings)


def _parse_arguments() -> argparse.Namespace:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default="counting", help="counting, or a shape of bench.models")
    parser.add_argument("--prompts", type=int, default=1, help="prompts of a step")
    parser.add_argument("--group", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--sides", type=int, nargs="+", default=[504, 112], help="pixels")
    parser.add_argument(
        "--waiting",
        default=PATIENT,
        choices=[PATIENT, SPINNING],
        help="how threads of both sides wait: as Tally's do, or as OpenMP's do by themselves",
    )
    parser.add_argument(
        "--rollouts",
        default="service",
        choices=["service", "inside"],
        help="who samples for Tally: a rollout service, or the job itself",
    )
    return parser.parse_args()


def _measure(case: Case, stack: Stack, model: Path, rounds: int, steps: int) -> Figures:
    """In each round as many steps of each kind, on images of its own."""
    figures = Figures()
    for number in range(rounds):
        shown = examples((steps + 1) * case.prompts, case.side_pixels, seed=number)
        taken = run_job(stack, shown, _training(case, _LEARN), _LORA)
        figures.first_epoch.add(taken[:steps], case)
        figures.later.add(taken[steps:], case)
        figures.parts.append(median_parts(taken[steps:]))
        _measure_trl(case, model, shown, steps, figures.trl)
        skipping = run_job(stack, shown, _training(case, _SKIP), _LORA)
        figures.skipping.add(skipping[steps:], case)
    return figures


def _measure_trl(
    case: Case, model: Path, shown: Sequence[Example], steps: int, into: Steps
) -> None:
    """`steps` after the first one, which makes the optimizer and warms up."""
    with tempfile.TemporaryDirectory() as folder:
        side = TrlSide(_trl_settings(case, model), shown, Path(folder), _reward)
        side.step()
        into.seconds += [seconds(side.step) for _ in range(steps)]
    into.work += [Work.of_lengths(lengths) for lengths in side.lengths[-steps:]]


def _training(case: Case, without_variance: pb.ZeroVarianceGroups.ValueType) -> pb.TrainingConfig:
    """The first epoch makes features, another has them."""
    return pb.TrainingConfig(
        num_epochs=2,
        learning_rate=_LEARNING_RATE,
        batch_size=case.prompts,
        gradient_accumulation_steps=1,
        num_generations=case.group,
        temperature=1.0,
        use_4bit=False,
        max_image_size=case.side_pixels,
        max_new_tokens=_MAX_NEW_TOKENS,
        save_steps=1_000_000,
        zero_variance_groups=without_variance,
    )


def _trl_settings(case: Case, model: Path) -> TrlSettings:
    return TrlSettings(
        model_path=model,
        num_generations=case.group,
        prompts_per_pass=case.prompts,
        max_completion_length=_MAX_NEW_TOKENS,
        learning_rate=_LEARNING_RATE,
        lora_r=16,
        lora_alpha=32,
        barred_token_ids=tuple(barred_ids(model)),
    )


def _reward(text: str, true_count: int) -> float:
    return score_answer(Answer(text=text, true_count=true_count), DEFAULT_REWARDS).reward


def _report(cases: Sequence[Case], figures: Sequence[Figures], **settings: int | str) -> None:
    rows = list(zip(cases, figures, strict=True))
    threads = torch.get_num_threads()
    print_table(
        ["model", "px", "P", "G", "threads", "TRL s", "Tally s, 1st epoch", "Tally s, later",
         "ratio 1st", "ratio later"],
        [
            [c.model, c.side_pixels, c.prompts, c.group, threads, f.trl.mean(),
             f.first_epoch.mean(), f.later.mean(), f.trl.mean() / f.first_epoch.mean(),
             f.trl.mean() / f.later.mean()]
            for c, f in rows
        ],
    )  # fmt: skip
    print_table(
        ["px", "", "steps", "tokens a completion", "completions learnt from a step",
         "groups skipped"],
        [
            [c.side_pixels, name, len(side.work), *Work.means(side.work)]
            for c, f in rows
            for name, side in (("TRL", f.trl), ("Tally, 1st epoch", f.first_epoch),
                               ("Tally, later", f.later), ("Tally, skipping", f.skipping))
        ],
    )  # fmt: skip
    print_table(
        ["what skipping gains, px", "later step, s", "skipping, s", "gain"],
        [
            [c.side_pixels, f.later.mean(), f.skipping.mean(), f.later.mean() / f.skipping.mean()]
            for c, f in rows
        ],
    )
    print_table(
        ["Tally's later step, s", *figures[0].parts[0]],
        [[c.side_pixels, *_medians(f.parts)] for c, f in rows],
    )
    print_json(
        "step",
        settings | {"max_new_tokens": _MAX_NEW_TOKENS, "threads": threads, **_LORA},
        {"rows": [asdict(c) | asdict(f) for c, f in rows]},
    )


def _medians(parts: Sequence[dict[str, float]]) -> list[float]:
    return [median(part[name] for part in parts) for name in parts[0]]


if __name__ == "__main__":
    main()
