"""Steps whose prompts are read once beside those of two passes: loss, gradients, what is spared."""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor

from bench.exactness import relative_difference
from bench.scenes import Example
from bench.tally_side import TallySettings, TallySide
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import Prompt
from learner_service.data.dataset import Row
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.groups import PromptStage, PublishedAdapter
from learner_service.grpo.prompt_reader import PromptReader
from learner_service.grpo.step import StepLearner
from learner_service.one_pass import OnePass, ReadingOnce
from tally.job.choices import LossType
from tally.job.settings import TrainingConfig
from tally.samples.scenes import draw_scene

SIZES = ((112, 112), (140, 84), (56, 168))
G = 4
ADAPTER = PublishedAdapter(digest="a" * 64, step=0)


@dataclass(frozen=True, kw_only=True)
class Sides:
    """One policy; a pass over three groups of unequal lengths, and the rows that they are of."""

    tally: TallySide
    stage: PromptStage
    rows: list[Row]
    forward_pass: ForwardPass

    def learner(self, reader: PromptReader | None = None, **changes: object) -> StepLearner:
        training = TrainingConfig(temperature=0.7, **changes)
        take = {"take_read": reader.take} if reader else {}
        policy = self.tally.policy
        return StepLearner(policy, self.stage.features, training, corrected=True, **take)

    def reader(self, *, is_possible: bool = True) -> PromptReader:
        reading = ReadingOnce(
            choice=OnePass.ALWAYS,
            is_possible=is_possible,
            device="cpu",
            use_4bit=False,
            hidden_size=self.tally.policy.hidden_size,
        )
        return PromptReader(self.tally.policy, self.stage, reading)

    def prompt(self, row: Row) -> Prompt:
        return self.stage.prompt(row, seed=3)

    def gradients(self) -> Tensor:
        """Those there are, which are then gone."""
        model = self.tally.policy.model
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        return torch.cat(gradients)


@pytest.fixture(scope="module")
def sides(random_policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    folder, random = tmp_path_factory.mktemp("sides"), Random(3)
    examples = [
        Example(image=scene.image.resize(size), question=scene.question, true_count=scene.count)
        for size in SIZES
        for scene in [draw_scene(random)]
    ]
    settings = TallySettings(model_path=random_policy_path, num_generations=G, temperature=0.7)
    tally = TallySide(settings, folder)
    torch.manual_seed(5)
    for parameter in tally.learner.parameters:
        torch.nn.init.normal_(parameter, std=0.05)
    completions_P_G = [
        [[random.randrange(250) for _ in range(random.randint(1, 9))] for _ in range(G)]
        for _ in SIZES
    ]
    forward_pass = tally.forward_pass(examples, completions_P_G, torch.randn(len(SIZES), G))
    groups = [
        replace(group, sampler_logps=[[-5.0] * len(one) for one in group.completions])
        for group in forward_pass.groups
    ]
    return Sides(
        tally=tally,
        stage=PromptStage(tally.policy, BlobStore(folder / "blobs")),
        rows=[tally.stage_example(example) for example in examples],
        forward_pass=replace(forward_pass, groups=groups),
    )


def kept(forward_pass: ForwardPass, numbers: list[int]) -> ForwardPass:
    """Without the groups that teach nothing."""
    return replace(
        forward_pass,
        groups=[forward_pass.groups[number] for number in numbers],
        image_digests=[forward_pass.image_digests[number] for number in numbers],
        advantages=forward_pass.advantages.view(-1, G)[numbers].flatten(),
        num_skipped=len(forward_pass.groups) - len(numbers),
    )


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("loss_type", list(LossType))
@pytest.mark.parametrize("numbers", [[0, 1, 2], [2, 0]], ids=["all", "one skipped"])
def test_loss_gradients_and_figures_are_those_of_two_passes(
    sides: Sides, loss_type: LossType, beta: float, numbers: list[int]
):
    forward_pass = kept(sides.forward_pass, numbers)
    settings = {"loss_type": loss_type, "beta": beta}
    apart = sides.learner(**settings)
    apart.learn(forward_pass)
    expected, expected_gradients = apart.finish(), sides.gradients()
    reader = sides.reader()
    reader.prepare([sides.rows], ADAPTER)
    once = sides.learner(reader, **settings)
    once.learn(forward_pass)
    found = once.finish()
    assert found.loss.item() == pytest.approx(expected.loss.item(), abs=1e-5)
    assert found.token_means == pytest.approx(expected.token_means, rel=1e-4, abs=1e-5, nan_ok=True)
    assert expected_gradients.norm() > 1e-3
    assert relative_difference(sides.gradients(), expected_gradients) < 1e-4


def test_a_group_that_teaches_nothing_costs_no_backward_pass(sides: Sides):
    reader = sides.reader()
    reader.prepare([sides.rows], ADAPTER)
    reached: list[int] = []
    for number, read in enumerate(reader._read.values()):
        read.keys[0].register_hook(lambda gradient, number=number: reached.append(number))
    sides.learner(reader).learn(kept(sides.forward_pass, [0, 2]))
    sides.gradients()
    assert sorted(reached) == [0, 2]


@pytest.mark.parametrize("numbers", [[0, 1, 2], []], ids=["learnt", "all skipped"])
def test_after_its_pass_nothing_of_it_is_held(sides: Sides, numbers: list[int]):
    reader = sides.reader()
    reader.prepare([sides.rows], ADAPTER)
    sides.learner(reader).learn(kept(sides.forward_pass, numbers))
    sides.tally.policy.model.zero_grad()
    assert reader.take([], []) is None
    assert reader.find(sides.prompt(sides.rows[0]), ADAPTER.digest) is None


def test_a_row_in_the_place_of_another_is_read_when_it_is_learnt_from(sides: Sides):
    apart = sides.learner()
    apart.learn(sides.forward_pass)
    expected = sides.gradients()
    reader = sides.reader()
    reader.prepare([sides.rows[:2]], ADAPTER)
    assert reader.find(sides.prompt(sides.rows[2]), ADAPTER.digest) is None
    sides.learner(reader).learn(sides.forward_pass)
    assert relative_difference(sides.gradients(), expected) < 1e-4


def test_nobody_goes_on_from_what_another_adapter_has_read(sides: Sides):
    reader = sides.reader()
    reader.prepare([sides.rows], ADAPTER)
    asked = sides.prompt(sides.rows[0])
    assert reader.find(asked, ADAPTER.digest) is not None
    for other in ("", "b" * 64):
        assert reader.find(asked, other) is None


def test_steps_of_several_passes_and_jobs_that_may_not_read_nothing(sides: Sides):
    several, other = sides.reader(), sides.reader(is_possible=False)
    several.prepare([[row] for row in sides.rows], ADAPTER)
    other.prepare([sides.rows], ADAPTER)
    for reader in (several, other):
        assert reader.find(sides.prompt(sides.rows[0]), ADAPTER.digest) is None
        assert reader.take(sides.forward_pass.groups, sides.forward_pass.image_digests) is None
