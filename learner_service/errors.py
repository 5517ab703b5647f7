"""What can go wrong in the learner, as the caller sees it.

    TallyError
    ├── InvalidArgument
    │   ├── InvalidSpec            a setting is out of range
    │   ├── InvalidDataset         the dataset blob is not what JobSpec describes
    │   └── InvalidAdapter         the adapter blob is none
    ├── NotFound
    │   ├── UnknownJob
    │   └── UnknownBlob
    ├── AlreadyExists
    │   └── JobExists              the id with another spec
    ├── FailedPrecondition
    │   ├── MissingDataset         put the blob first
    │   ├── UnknownModel           not on the learner's list
    │   ├── HostRefused            a host that cannot be lent to this learner
    │   ├── NotResumable           the job that another is to go on from has nothing for it
    │   ├── NoCountAnswers         exact_counts, of answers that no other count can be written into
    │   ├── NoAdapter              a job has none of the kind that is asked for
    │   ├── JobInUse               a job that is to be deleted has not ended, or is needed
    │   └── Superseded             a later attempt at the job has begun
    └── Unavailable
        ├── NotYet                 what is asked for has to wait for a moment
        ├── StoreUnavailable       the learner's database is locked, stopped or away
        ├── ClusterUnavailable     the Ray cluster does not answer, or its nodes do not fit
        ├── RolloutsUnavailable    no replica answered, or had room, in time
        ├── RewardsUnavailable     the reward service did not
        └── RankLost               another process of the job has ended, or does not answer

`StopRequested` is no error: it unwinds a worker that was asked to stop. `LossNotFinite` is what a
step raises that can't go on.
"""

from tally.messages.message import Message
from tally.rpc.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)

# What a person can do whose learner has a full disk.
NO_ROOM = "no room on the learner's disk; free some and retry"


class InvalidSpec(InvalidArgument):
    pass


class InvalidDataset(InvalidArgument):
    pass


class InvalidAdapter(InvalidArgument):
    pass


class UnknownJob(NotFound):
    pass


class UnknownBlob(NotFound):
    pass


class JobExists(AlreadyExists):
    pass


class MissingDataset(FailedPrecondition):
    pass


class UnknownModel(FailedPrecondition):
    pass


class HostRefused(FailedPrecondition):
    pass


class NotResumable(FailedPrecondition):
    pass


class NoCountAnswers(FailedPrecondition):
    pass


class NoAdapter(FailedPrecondition):
    pass


class JobInUse(FailedPrecondition):
    pass


class NotYet(Unavailable):
    pass


class StoreUnavailable(Unavailable):
    pass


class Superseded(FailedPrecondition):
    pass


class ClusterUnavailable(Unavailable):
    pass


class RolloutsUnavailable(Unavailable):
    pass


class RewardsUnavailable(Unavailable):
    pass


class RankLost(Unavailable):
    pass


class LossNotFinite(FloatingPointError):
    def __str__(self) -> str:
        return str(Message("loss_not_finite"))


class StopRequested(Exception):
    """Raised between two pieces of work once the worker was asked to stop."""
