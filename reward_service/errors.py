"""What the reward service refuses.

InvalidArgument
├── BadBatch      too many answers or texts, or one that is too long
├── BadReward     an unknown or doubled reward, or a weight that can't be used
└── BadTrueCount  a true count below 0
"""

from tally.rpc.errors import InvalidArgument


class BadBatch(InvalidArgument):
    pass


class BadReward(InvalidArgument):
    pass


class BadTrueCount(InvalidArgument):
    pass
