"""What the reward service refuses.

InvalidArgument
├── BadBatch      too many answers or texts, or one that is too long
├── BadReward     an unknown or doubled reward, or a weight that can't be used
└── BadTrueCount  a true count below 0
FailedPrecondition
└── RewardFailed  a reward of another package failed, hung or gave what is no value
"""

from tally.rpc.errors import FailedPrecondition, InvalidArgument


class BadBatch(InvalidArgument):
    pass


class BadReward(InvalidArgument):
    pass


class BadTrueCount(InvalidArgument):
    pass


class RewardFailed(FailedPrecondition):
    pass
