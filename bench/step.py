"""A whole GRPO step, each side with its own generation: `python -m bench.step`.

Tally: a real job on its rollout, reward and learner services, each a process with the settings of
`tally up`. TRL: GRPOTrainer's step with its own generate, and the same reward in the process.
Model, LoRA, images, questions, group size, precision and limits are the same, and so is the policy
that both sample from: the learning rate is too small to change it. Answers have their natural
length; the table shows each side's mean.

Only steps of Tally's that learn from all their groups count: a group whose rewards are all equal
is skipped, which TRL doesn't do. The table shows how many there were.

The sides take turns: a job of Tally's, then steps of TRL's on the same images, and again. A step
of Tally's in its job's first epoch makes the images' vision features; a later one has them.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.job_steps import learning_steps, median_parts, run_job
from bench.jobs import Stack, running_stack
from bench.measure import seconds
from bench.models import policy_folder
from bench.report import options, print_json, print_table
from bench.scenes import examples
from bench.trl_side import TrlSettings, TrlSide
from reward_service.score import DEFAULT_REWARDS, Answer, score_answer
from tally.learner.v1 import learner_pb2 as pb

_LEARNING_RATE = 1e-6
_MAX_NEW_TOKENS = 16
_TRL_STEPS = 3
_LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32.0, "lora_dropout": 0.0}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: images of `side_pixels`, `prompts` groups of `group` completions each step."""

    model: str
    side_pixels: int
    prompts: int
    group: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Medians in seconds over all rounds; lengths are means in tokens."""

    trl: float
    tally_first_epoch: float
    tally_later: float
    trl_length: float
    tally_length: float
    tally_parts: dict[str, float]
    tally_steps: int

    def ratio(self) -> float:
        return self.trl / self.tally_later


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default="counting", help="counting, or a shape of bench.models")
    parser.add_argument("--prompts", type=int, default=1, help="prompts of a step")
    parser.add_argument("--group", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--sides", type=int, nargs="+", default=[504, 112], help="pixels")
    chosen = parser.parse_args()
    rounds, steps = (1, 8) if chosen.quick else (4, 8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = policy_folder(chosen.model, folder / "policy")
        cases = [
            Case(model=chosen.model, side_pixels=side, prompts=chosen.prompts, group=chosen.group)
            for side in chosen.sides
        ]
        with running_stack(folder / "tally", model) as stack:
            figures = [_measure(case, stack, model, rounds, steps) for case in cases]
    _report(cases, figures, rounds=rounds, steps=steps)


def _measure(case: Case, stack: Stack, model: Path, rounds: int, steps: int) -> Figures:
    """A few steps of TRL's and 3 × `steps` of Tally's in each round, on images of its own."""
    first, later, trl, trl_lengths = [], [], [], []
    for number in range(rounds):
        shown = examples((steps + 1) * case.prompts, case.side_pixels, seed=number)
        taken = run_job(stack, shown, _training(case), _LORA)
        first += learning_steps(taken[:steps])
        later += learning_steps(taken[steps + 1 :])
        with tempfile.TemporaryDirectory() as folder:
            side = TrlSide(_trl_settings(case, model), shown, Path(folder), _reward)
            side.step()  # the first one makes the optimizer and warms up
            trl += [seconds(side.step) for _ in range(_TRL_STEPS)]
        trl_lengths += side.lengths[-_TRL_STEPS:]
    return Figures(
        trl=median(trl),
        tally_first_epoch=median(step.seconds for step in first),
        tally_later=median(step.seconds for step in later),
        trl_length=mean(trl_lengths),
        tally_length=mean(step.metrics.completion_length_mean for step in later),
        tally_parts=median_parts(later),
        tally_steps=len(first) + len(later),
    )


def _training(case: Case) -> pb.TrainingConfig:
    """Three epochs: the first makes features, the others have them."""
    return pb.TrainingConfig(
        num_epochs=3,
        learning_rate=_LEARNING_RATE,
        batch_size=case.prompts,
        gradient_accumulation_steps=1,
        num_generations=case.group,
        temperature=1.0,
        use_4bit=False,
        max_image_size=case.side_pixels,
        max_new_tokens=_MAX_NEW_TOKENS,
        save_steps=1_000_000,
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
    )


def _reward(text: str, true_count: int) -> float:
    return score_answer(Answer(text=text, true_count=true_count), DEFAULT_REWARDS).reward


def _report(cases: Sequence[Case], figures: Sequence[Figures], **settings: int) -> None:
    print_table(
        ["model", "px", "P", "G", "TRL s", "Tally s, 1st epoch", "Tally s, later", "ratio 1st",
         "ratio later", "TRL tokens", "Tally tokens", "steps"],
        [
            [c.model, c.side_pixels, c.prompts, c.group, f.trl, f.tally_first_epoch, f.tally_later,
             f.trl / f.tally_first_epoch, f.ratio(), f.trl_length, f.tally_length, f.tally_steps]
            for c, f in zip(cases, figures, strict=True)
        ],
    )  # fmt: skip
    print_table(
        ["Tally's later step, s", *figures[0].tally_parts],
        [[c.side_pixels, *f.tally_parts.values()] for c, f in zip(cases, figures, strict=True)],
    )
    print_json(
        "step",
        settings | {"max_new_tokens": _MAX_NEW_TOKENS, **_LORA},
        {"rows": [asdict(c) | asdict(f) for c, f in zip(cases, figures, strict=True)]},
    )


if __name__ == "__main__":
    main()
