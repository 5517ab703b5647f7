"""What a job may ask for of processes, and of the base that they hold."""

import pytest

from learner_service.errors import InvalidSpec
from learner_service.queue.process_check import check_processes
from learner_service.settings import LearnerSettings, ShardBase
from learner_service.spec import Evaluation, JobSpec, Training
from tally.job.settings import TrainingConfig


def check(shard_base: ShardBase = ShardBase.AUTO, gpus: int = 2, **config: object) -> None:
    work = Training(config=TrainingConfig(**config))
    spec = JobSpec(dataset_digest="a" * 64, base_model="small", work=work)
    check_processes(spec, LearnerSettings(gpus_per_job=gpus, shard_base=shard_base))


def test_no_more_than_there_are():
    check(processes=2)
    with pytest.raises(InvalidSpec, match=r"^config\.processes: .* expected at most 2"):
        check(processes=3)


def test_where_every_base_is_in_parts_none_is_in_4_bits():
    check(use_4bit=True)
    check(ShardBase.ALWAYS, use_4bit=False)
    check(ShardBase.ALWAYS, use_4bit=True, processes=1)
    check(ShardBase.ALWAYS, gpus=1, use_4bit=True)
    with pytest.raises(InvalidSpec, match=r"^config\.use_4bit: .* the recommended way"):
        check(ShardBase.ALWAYS, use_4bit=True)


def test_what_trains_nothing_has_no_base():
    work = Evaluation(adapter_digest="a" * 64)
    spec = JobSpec(dataset_digest="a" * 64, base_model="small", work=work)
    check_processes(spec, LearnerSettings(gpus_per_job=2, shard_base=ShardBase.ALWAYS))
