"""Held-out exact rate over samples and over seconds: Tally beside TRL's GRPOTrainer.

    python -m bench.learning_curve [--quick] [--results FOLDER] [--estimator sampled|exact_counts]
    python -m bench.learning_curve --task hard [--untimed] [--policy FOLDER] [...]

Both teach a small policy with the same LoRA, learning rate, group size, temperature, loss, data and
number of samples, each with its own generation. Tally does so strictly on-policy, as TRL; with a
staleness of 1, where the next step is sampled while this one is learnt from, and truncated
importance weights make up for it; and strictly on-policy with the exact gradient over counts, which
asks for one greedy answer where the others sample a group. `--estimator` leaves out the runs with
the other one.

The demo's policy under-counts from 5 up, and time is that to an exact rate of 0.90. On hard scenes
the sides teach the policy of bench/hard_policy, which tally.samples.pretrain_hard made, until it
learns no more; time and samples are those to half and nine tenths of what can be gained, on kinds
that were asked for in training and on others.

Every few steps the adapter is set aside; afterwards one and the same greedy decoding answers the
held-out scenes with all of them. Seconds are those of training, checkpoints included; the first
step, in which both sides still load libraries, counts as much as the median one. `--untimed` tells
samples alone, and minds no other work on the machine. With `--results` every finished run is kept
there and not done again.
"""

import json
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.curve_report import Report
from bench.curve_sides import CHOSEN, SIDES, TRL, Lesson
from bench.curve_tasks import TASKS, Task
from bench.curves import Point
from bench.examiner import Adapter, Examiner
from bench.machine_load import own_machine
from bench.report import options, print_json
from tally.job.choices import Estimator

_QUICK_STEPS, _QUICK_IMAGES = 8, 64


def curves_of(
    name: str, lesson: Lesson, task: Task, *, timed: bool, kept: Path
) -> dict[str, list[Point]]:
    """One run of one side, by what it is asked about; read from `kept` where it is there already.

    A run that was timed differs from one that wasn't.
    """
    sizes = f"{lesson.steps}-{lesson.every}-{task.held_out_images}"
    path = kept / f"{name}-{lesson.seed}-{sizes}{'' if timed else '-untimed'}.json"
    if not path.exists():
        points = _run(name, lesson, task, timed=timed)
        path.write_text(json.dumps({p: [asdict(one) for one in of] for p, of in points.items()}))
    stored = json.loads(path.read_text())
    return {part: [Point(**fields) for fields in of] for part, of in stored.items()}


def _run(name: str, lesson: Lesson, task: Task, *, timed: bool) -> dict[str, list[Point]]:
    with tempfile.TemporaryDirectory() as folder:
        with own_machine() if timed else nullcontext():
            taken: list[tuple[int, float, Adapter | None]] = [(0, 0.0, None)]
            taken += SIDES[name](lesson, Path(folder))
        points = {}
        for part, questions in task.questions().items():
            examiner = Examiner(lesson.policy_path, questions, Path(folder))
            points[part] = [Point(step=n, seconds=s, right=examiner.mark(a)) for n, s, a in taken]
    return points


def main(arguments: list[str] | None = None) -> None:
    parser = options((__doc__ or "").split("\n")[0])
    parser.add_argument("--task", choices=TASKS, default="demo")
    parser.add_argument("--policy", type=Path, help="whom to teach in place of the task's own")
    parser.add_argument(
        "--results", type=Path, help="a folder to keep finished runs of a policy in"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[43, 44, 45])
    parser.add_argument("--steps", type=int, help="of each run, the task's own if not said")
    parser.add_argument("--every", type=int, help="steps between two examinations")
    parser.add_argument("--untimed", action="store_true", help="tells samples alone")
    parser.add_argument(
        "--estimator", nargs="+", choices=list(Estimator), default=list(Estimator), type=Estimator
    )
    chosen = parser.parse_args(arguments)
    task = TASKS[chosen.task]
    policy = chosen.policy or task.policy_path
    chosen.steps, chosen.every = chosen.steps or task.steps, chosen.every or task.every
    if chosen.quick:
        chosen.seeds, chosen.steps, chosen.every = chosen.seeds[:1], _QUICK_STEPS, 4
        task = replace(task, held_out_images=_QUICK_IMAGES)
    names = [name for estimator in chosen.estimator for name in CHOSEN[estimator]] + [TRL]
    timed = not chosen.untimed
    report = Report(task, chosen.seeds, timed=timed)
    with tempfile.TemporaryDirectory() as folder:
        kept = (chosen.results or Path(folder)) / chosen.task
        kept.mkdir(parents=True, exist_ok=True)
        for seed in chosen.seeds:
            lesson = Lesson(
                policy_path=policy,
                data=task.data(),
                learning_rate=task.learning_rate,
                seed=seed,
                steps=chosen.steps,
                every=chosen.every,
            )
            for name in names:
                report.add(name, curves_of(name, lesson, task, timed=timed, kept=kept))
    settings: dict[str, Any] = {"results": None, "policy": None, "held_out": task.held_out_images}
    print_json("learning_curve", vars(chosen) | settings, report.print())


if __name__ == "__main__":
    main()
