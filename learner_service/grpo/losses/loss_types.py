"""The object of each loss type."""

from learner_service.grpo.losses.bnpo import Bnpo
from learner_service.grpo.losses.dapo import Dapo
from learner_service.grpo.losses.dr_grpo import DrGrpo
from learner_service.grpo.losses.grpo import Grpo
from learner_service.grpo.losses.gspo import Gspo
from learner_service.grpo.losses.loss import Loss
from tally.job.choices import LossType

LOSSES: dict[LossType, Loss] = {
    LossType.GRPO: Grpo(),
    LossType.BNPO: Bnpo(),
    LossType.DR_GRPO: DrGrpo(),
    LossType.DAPO: Dapo(),
    LossType.GSPO: Gspo(),
}
