"""Which bases the processes of a job are to hold in parts."""

import pytest

from learner_service.preflight.job_device import JobDevice
from learner_service.preflight.memory import TIGHT, WORKER_LIBRARIES_BYTES
from learner_service.settings import LearnerSettings, ShardBase
from tally.job.settings import TrainingConfig
from tests.learner_service.preflight.test_memory import SHAPE

FULL = TrainingConfig(use_4bit=False)
# Of numbers in bfloat16, as they are stored.
NEEDED = WORKER_LIBRARIES_BYTES["cuda"] + SHAPE.parameters * 2
ROOM = round(NEEDED / TIGHT) + 10


def card(
    memory_bytes: int, shard_base: ShardBase = ShardBase.AUTO, name: str = "cuda"
) -> JobDevice:
    settings = LearnerSettings(gpus_per_job=4, shard_base=shard_base)
    return JobDevice(name=name, memory_bytes=memory_bytes, bytes_per_number=2, settings=settings)


@pytest.mark.parametrize(
    ("memory_bytes", "shard_base", "expected"),
    [
        (ROOM, ShardBase.AUTO, 1),
        (ROOM - 20, ShardBase.AUTO, 4),
        (0, ShardBase.AUTO, 1),
        (ROOM, ShardBase.ALWAYS, 4),
        (ROOM - 20, ShardBase.NEVER, 1),
    ],
    ids=["it fits", "it does not fit", "the memory is not known", "always", "never"],
)
def test_a_base_is_in_parts_where_it_does_not_fit_or_always_or_never(
    memory_bytes: int, shard_base: ShardBase, expected: int
):
    assert card(memory_bytes, shard_base).shard_count(SHAPE, FULL) == expected


def test_as_many_processes_hold_parts_as_the_job_asks_for():
    for processes in (1, 2, 3):
        training = FULL.model_copy(update={"processes": processes})
        assert card(ROOM - 20).shard_count(SHAPE, training) == processes


def test_a_base_in_4_bits_is_whole():
    training = TrainingConfig(use_4bit=True)
    assert card(1, ShardBase.ALWAYS).shard_count(SHAPE, training) == 1


def test_on_a_cpu_the_processes_have_a_part_of_the_memory_each():
    room = 4 * (ROOM + WORKER_LIBRARIES_BYTES["cpu"] - WORKER_LIBRARIES_BYTES["cuda"])
    assert card(2 * room, name="cpu").shard_count(SHAPE, FULL) == 1
    assert card(room // 2, name="cpu").shard_count(SHAPE, FULL) == 4
