"""The whole path beside TRL's: the same completions and advantages, the same loss and gradients.

TRL encodes each image and prompt once per completion and pads them; ours are packed, with kept
features. Two groups with images of unequal sizes, completions of 1 to 9 tokens, float32.
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import torch

from bench.scenes import Example
from bench.tally_side import TallySettings, TallySide
from bench.trl_side import TrlSettings, TrlSide
from tally.job.choices import LossType
from tally.samples.scenes import draw_scene

SIZES = ((112, 112), (140, 84))
G = 4


@dataclass(frozen=True, kw_only=True)
class Sides:
    tally: TallySide
    trl: TrlSide
    given: tuple[list[Example], list[list[list[int]]], torch.Tensor]


@pytest.fixture(scope="module")
def sides(random_policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """Both sides with the same adapter, one that matters."""
    folder, random = tmp_path_factory.mktemp("sides"), Random(3)
    scenes = [draw_scene(random) for _ in SIZES]
    examples = [
        Example(image=scene.image.resize(size), question=scene.question, true_count=scene.count)
        for scene, size in zip(scenes, SIZES, strict=True)
    ]
    shared = {"model_path": random_policy_path, "num_generations": G, "prompts_per_pass": 2}
    tally = TallySide(TallySettings(**shared, temperature=0.7), folder / "tally")
    trl = TrlSide(TrlSettings(**shared, temperature=0.7), examples, folder / "trl")
    torch.manual_seed(5)
    theirs = dict(trl.model.named_parameters())
    for name, parameter in tally.policy.model.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
            theirs[name].data.copy_(parameter.data)
    completions_P_G = [
        [[random.randrange(250) for _ in range(random.randint(1, 9))] for _ in range(G)]
        for _ in SIZES
    ]
    return Sides(tally=tally, trl=trl, given=(examples, completions_P_G, torch.randn(2, G)))


def gradients(model: torch.nn.Module) -> torch.Tensor:
    """Those of all LoRA parameters, in the order of their names."""
    named = sorted((n, p) for n, p in model.named_parameters() if p.requires_grad)
    return torch.cat([parameter.grad.flatten() for _, parameter in named])


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("loss_type", list(LossType))
def test_loss_and_gradients_equal_trls(sides: Sides, loss_type: LossType, beta: float):
    is_gspo = loss_type is LossType.GSPO
    trl, tally = sides.trl.trainer, sides.tally
    trl.loss_type = "grpo" if is_gspo else loss_type.value
    trl.importance_sampling_level = "sequence" if is_gspo else "token"
    trl.beta = beta
    tally.policy.model.zero_grad()
    learner = tally.learner_with(loss_type=loss_type, beta=beta)
    ours = learner.learn(tally.forward_pass(*sides.given))
    sides.trl.model.zero_grad()
    theirs = sides.trl.loss(sides.trl.inputs(*sides.given))
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    our_gradients = gradients(tally.policy.model)
    their_gradients = gradients(sides.trl.model)
    assert their_gradients.norm() > 1e-3
    assert (our_gradients - their_gradients).norm() / their_gradients.norm() < 1e-4
