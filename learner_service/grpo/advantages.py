"""Rewards to advantages (GRPO: DeepSeekMath, arXiv 2402.03300, section 4.1). Pure."""

from torch import Tensor

from tally.job.choices import AdvantageScale

EPSILON = 1e-4


def group_advantages(
    rewards_P_G: Tensor, scale: AdvantageScale, batch_deviation: Tensor | None = None
) -> Tensor:
    """Centres rewards on their group's mean and divides as `scale` says. [P, G] → [P, G].

    The standard deviations are unbiased; a group of equal rewards gets advantages of 0.
    `batch_deviation`, [], is that of a step of which these are not all; with BATCH alone.
    """
    centred_P_G = rewards_P_G - rewards_P_G.mean(dim=1, keepdim=True)
    # A mean of equal numbers may be rounded, and the division would make that rounding matter.
    equal_P_1 = (rewards_P_G == rewards_P_G[:, :1]).all(dim=1, keepdim=True)
    centred_P_G = centred_P_G.masked_fill(equal_P_1, 0.0)
    if scale is AdvantageScale.NONE:
        return centred_P_G
    if scale is AdvantageScale.BATCH:
        deviation = rewards_P_G.std() if batch_deviation is None else batch_deviation
        return centred_P_G / (deviation + EPSILON)
    return centred_P_G / (rewards_P_G.std(dim=1, keepdim=True) + EPSILON)
