"""The recipe of the small policy for hard scenes: teach it to see well, and to say half of it.

Run `python -m tally.samples.pretrain_hard OUTPUT_FOLDER`. It begins with the small policy of the
demo. The tower alone learns what of each kind there is where; then the language model alone learns
from true answers, which also unteaches the under-counting that the demo's was taught, and stops
where half of its answers to held-out scenes are right. Scenes ask for every kind here; the kinds
that are held out are so from whoever teaches the policy further.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor, nn

from tally.samples.batch import MERGED_CELLS, BatchMaker
from tally.samples.centre_counts import centre_counts
from tally.samples.hard_scenes import TAUGHT_KINDS, draw_hard_scene
from tally.samples.kinds import KINDS
from tally.samples.scenes import Scene
from tally.samples.small_policy import POLICY_PATH, build_tokenizer, load_policy
from tally.samples.supervised import (
    BATCH_SIZE,
    EXAMINATION_SEED,
    FIRST_PRETRAINING_SEED,
    Log,
    Policy,
    answer,
    answer_loss,
    exact_rate,
    save,
    see,
    see_patches,
    train,
)

# Above the seeds of the other recipe.
_SIGHT_SEED, _ANSWERS_SEED = FIRST_PRETRAINING_SEED + 10, FIRST_PRETRAINING_SEED + 11
_SCENES_PER_STEP = 32
_EVERY = 100  # steps between two examinations


class KindHeads(nn.Module):
    """Read out how many centres of each kind a patch and a merged cell hold; thrown away after
    pretraining."""

    def __init__(self, patch_size: int, cell_size: int) -> None:
        super().__init__()
        self.patch = _head(patch_size)
        self.cell = _head(cell_size)

    def loss(self, features: Tensor, patches: Tensor, counts: Tensor) -> Tensor:
        """That of each patch of `counts` [B, patches, kinds], of each cell, and of the sums: the
        errors of cells add up."""
        patch_errors: Tensor = self.patch(patches) - counts
        cell_errors: Tensor = self.cell(features) - counts.unflatten(1, (-1, 4)).sum(2)
        sums = cell_errors.sum(1)
        sum_loss = nn.functional.huber_loss(sums, torch.zeros_like(sums))
        return 40.0 * _squares(patch_errors) + 10.0 * _squares(cell_errors) + sum_loss


def _head(size: int) -> nn.Module:
    """The language model normalizes what it reads as well."""
    linear = nn.Linear(size, len(KINDS))
    nn.init.zeros_(linear.weight)
    return nn.Sequential(nn.RMSNorm(size), linear)


def _squares(errors: Tensor) -> Tensor:
    return errors.square().sum(-1).mean()


def patch_counts(scenes: Sequence[Scene]) -> Tensor:
    """Centres of every kind in each patch → [B, patches, kinds], in the order of see_patches."""
    side = 2 * MERGED_CELLS
    counts = np.zeros((len(scenes), side, side, len(KINDS)), dtype=np.float32)
    for row, scene in enumerate(scenes):
        for kind, centres in ((scene.kind, scene.centres), *scene.others):
            counts[row, :, :, KINDS.index(kind)] = centre_counts(centres, side)
    cells = torch.from_numpy(counts).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
    in_cells: Tensor = cells.transpose(2, 3).flatten(1, 4)
    return in_cells


def draw_scenes(random: Random) -> list[Scene]:
    return [draw_hard_scene(random) for _ in range(_SCENES_PER_STEP)]


def draw_taught(random: Random) -> Scene:
    return draw_hard_scene(random, kinds=TAUGHT_KINDS)


@torch.no_grad()
def sight_rate(model: Policy, heads: KindHeads, maker: BatchMaker, *, scenes: int = 512) -> float:
    """Share of held-out scenes in which the cells come to the true count, rounded."""
    random = Random(EXAMINATION_SEED)
    right = 0
    for _ in range(scenes // BATCH_SIZE):
        drawn = [draw_taught(random) for _ in range(BATCH_SIZE)]
        sums = heads.cell(see(model, maker(drawn))).sum(1).round()  # [B, kinds]
        for scene, counts in zip(drawn, sums, strict=True):
            right += int(counts[KINDS.index(scene.kind)]) == scene.count
    return right / scenes


def teach_sight(
    model: Policy,
    maker: BatchMaker,
    keep: Callable[[], None],
    *,
    steps: int,
    learning_rate: float = 1e-3,
) -> None:
    """Trains the tower alone; calls `keep` after each examination."""
    random, log = Random(_SIGHT_SEED), Log()
    visual = model.model.visual
    heads = KindHeads(visual.config.hidden_size, visual.config.out_hidden_size)

    def loss() -> Tensor:
        scenes = draw_scenes(random)
        features, patches = see_patches(model, maker(scenes))
        return heads.loss(features, patches, patch_counts(scenes))

    parameters = [*visual.parameters(), *heads.parameters()]
    for step, value in train(parameters, loss, steps=steps, learning_rate=learning_rate):
        if step % _EVERY == 0 or step == steps:
            rate = sight_rate(model, heads, maker)
            log(phase="sight", step=step, loss=round(value, 4), sight_rate=rate)
            keep()


def teach_answers(
    model: Policy,
    maker: BatchMaker,
    keep: Callable[[], None],
    *,
    steps: int,
    goal: float,
    learning_rate: float = 1e-3,
) -> None:
    """Trains the language model alone, until `goal` of the answers to held-out scenes are right;
    calls `keep` after each examination."""
    random, log = Random(_ANSWERS_SEED), Log()
    model.model.visual.requires_grad_(False)

    def loss() -> Tensor:
        batch = maker(draw_scenes(random))
        return answer_loss(answer(model, batch, see(model, batch)), batch.labels)

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for step, value in train(parameters, loss, steps=steps, learning_rate=learning_rate):
        if step % _EVERY == 0 or step == steps:
            rate = exact_rate(model, maker, draw_taught)
            log(phase="answers", step=step, loss=round(value, 4), exact_rate=rate)
            keep()
            if rate >= goal:
                return


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--sight-steps", type=int, default=7000)
    parser.add_argument("--answer-steps", type=int, default=3000, help="at most")
    parser.add_argument("--goal", type=float, default=0.5, help="where answers are stopped")
    parser.add_argument(
        "--start",
        type=Path,
        default=POLICY_PATH,
        help="a policy to begin with, the demo's if not said",
    )
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    maker = BatchMaker(tokenizer)
    model, _, _ = load_policy(options.start)
    if options.sight_steps:
        keep = partial(save, model, tokenizer, options.output / "sight")
        teach_sight(model, maker, keep, steps=options.sight_steps)
    keep = partial(save, model, tokenizer, options.output / "answers")
    teach_answers(model, maker, keep, steps=options.answer_steps, goal=options.goal)


if __name__ == "__main__":
    main()
