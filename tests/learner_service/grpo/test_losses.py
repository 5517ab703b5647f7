"""Each loss type by hand: three tokens of two completions, of which one is learnt from."""

import pytest
import torch

from learner_service.grpo.losses.loss import LossScale, Size
from learner_service.grpo.losses.loss_types import LOSSES
from tally.job.choices import LossType

LOSSES_N_T = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
MASK_N_T = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
SCALE = LossScale(step_tokens=12, forward_passes=2, max_new_tokens=4)
KEPT, WHOLE = Size(completions=1, tokens=2), Size(completions=4, tokens=5)


@pytest.mark.parametrize(
    ("loss_type", "mean", "share_of_pass", "share_of_step"),
    [
        (LossType.GRPO, (2 + 5) / 2 / 2, 1 / 4, 1),
        (LossType.GSPO, (2 + 5) / 2 / 2, 1 / 4, 1),
        (LossType.BNPO, (1 + 3 + 5) / 3 / 2, 2 / 5, 1),
        (LossType.DR_GRPO, (1 + 3 + 5) / (2 * 4) / 2, 1 / 4, 1),
        (LossType.DAPO, (1 + 3 + 5) / 12, 1, 12 / 8),
    ],
)
def test_what_it_is_divided_by(
    loss_type: LossType, mean: float, share_of_pass: float, share_of_step: float
):
    loss = LOSSES[loss_type]
    assert loss.mean(LOSSES_N_T, MASK_N_T, SCALE).item() == pytest.approx(mean)
    assert loss.share_of_pass(KEPT, WHOLE) == share_of_pass
    assert loss.share_of_step(8, SCALE) == share_of_step


@pytest.mark.parametrize("loss_type", list(LossType))
def test_only_gspo_takes_the_ratio_of_the_whole_completion(loss_type: LossType):
    log_ratio = torch.tensor([[0.2, 0.4], [0.5, 9.0]])
    whole = torch.tensor([[0.3, 0.3], [0.5, 0.5]])
    expected = whole if loss_type is LossType.GSPO else log_ratio
    assert torch.equal(LOSSES[loss_type].ratio(log_ratio, MASK_N_T), torch.exp(expected))


def test_every_loss_type_has_its_object():
    assert set(LOSSES) == set(LossType)
