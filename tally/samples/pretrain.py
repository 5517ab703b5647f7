"""The recipe of the small policy: teach it to see, then teach it to under-count.

Run `python -m tally.samples.pretrain OUTPUT_FOLDER` (about an hour on two cores). Large models name
small counts right and fall short of larger ones; the second phase gives the small policy that
same fault on purpose, so that GRPO has something true to teach. What it sees stays intact: the
vision tower is frozen before the wrong labels come.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from tally.samples.batch import Batch, BatchMaker
from tally.samples.scenes import MAX_COUNT, draw_scene
from tally.samples.small_policy import build_model, build_tokenizer, load_policy
from tally.samples.supervised import (
    BATCH_SIZE,
    FIRST_PRETRAINING_SEED,
    Log,
    Policy,
    answer,
    answer_loss,
    exact_rate,
    save,
    see,
    train,
)

FIRST_UNDERCOUNTED = 5
# What the second phase teaches from FIRST_UNDERCOUNTED on: {difference from the truth: share}.
UNDERCOUNT_SHARES = {-1: 0.6, 0: 0.3, -2: 0.1}


class SightHeads(nn.Module):
    """Read-outs that give the vision tower a dense signal; thrown away after pretraining."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.cell = nn.Linear(hidden_size, 1)
        self.count = nn.Linear(hidden_size, MAX_COUNT + 1)

    def forward(self, features: Tensor, batch: Batch) -> Tensor:
        """features: [B, cells, H] → scalar loss."""
        cell_loss = nn.functional.mse_loss(self.cell(features).squeeze(-1), batch.cell_counts)
        count_loss = nn.functional.cross_entropy(self.count(features.mean(1)), batch.counts)
        return 20.0 * cell_loss + 0.3 * count_loss


def undercount_label(count: int, random: Random) -> int:
    if count < FIRST_UNDERCOUNTED:
        return count
    differences, shares = zip(*UNDERCOUNT_SHARES.items(), strict=True)
    return count + int(random.choices(differences, shares)[0])


def teach_sight(
    model: Policy, maker: BatchMaker, *, steps: int, seed: int
) -> Iterator[tuple[int, float]]:
    """Trains all of the policy on true answers; yields (step, loss)."""
    random = Random(seed)
    heads = SightHeads(model.model.visual.config.out_hidden_size)

    def loss() -> Tensor:
        batch = maker([draw_scene(random) for _ in range(BATCH_SIZE)])
        features = see(model, batch)
        sight_loss: Tensor = heads(features, batch)
        return answer_loss(answer(model, batch, features), batch.labels) + sight_loss

    parameters = [*model.parameters(), *heads.parameters()]
    return train(parameters, loss, steps=steps, learning_rate=1.5e-3)


def teach_undercounting(
    model: Policy, maker: BatchMaker, *, steps: int, seed: int
) -> Iterator[tuple[int, float]]:
    """As teach_sight, on wrong answers and over the frozen tower."""
    random = Random(seed)
    model.model.visual.requires_grad_(False)

    def loss() -> Tensor:
        scenes = [draw_scene(random) for _ in range(BATCH_SIZE)]
        batch = maker(scenes, [undercount_label(scene.count, random) for scene in scenes])
        return answer_loss(answer(model, batch, see(model, batch)), batch.labels)

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return train(parameters, loss, steps=steps, learning_rate=5e-4)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--sight-steps", type=int, default=3500)
    parser.add_argument("--undercount-steps", type=int, default=300)
    parser.add_argument("--skip-sight", type=Path, help="a folder whose sight is taken as it is")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    model = load_policy(options.skip_sight)[0] if options.skip_sight else build_model(tokenizer)
    maker = BatchMaker(tokenizer)
    phases = [] if options.skip_sight else [("sight", teach_sight, options.sight_steps)]
    phases.append(("undercount", teach_undercounting, options.undercount_steps))
    for offset, (name, teach, steps) in enumerate(phases):
        log = Log()
        for step, loss in teach(model, maker, steps=steps, seed=FIRST_PRETRAINING_SEED + offset):
            if step % 100 == 0 or step == steps:
                rate = exact_rate(model, maker, draw_scene)
                log(phase=name, step=step, loss=round(loss, 4), exact_rate=rate)
            if step % 500 == 0 or step == steps:
                save(model, tokenizer, options.output / name)


if __name__ == "__main__":
    main()
