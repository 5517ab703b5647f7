"""Equal work, and what is done where it isn't."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.endless import barred_ids, write_endless
from bench.machine_load import BusyMachine, check_share, own_seconds
from bench.scenes import examples
from bench.step_work import UnequalWork, Work, check_equal
from bench.trl_side import TrlSettings, TrlSide
from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH
from tally.sampling.engine import FinishReason, GenerationRequest

TOKENS = 12


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    return write_endless(POLICY_PATH, tmp_path / "endless")


async def test_tally_samples_up_to_the_limit(endless: Path):
    engine = torch_engine(RolloutSettings(model=str(endless), torch_threads=1))
    model = await engine.load()
    assert list(model.barred_token_ids) == barred_ids(endless)
    request = GenerationRequest(
        prompt_token_ids=(40, 41), num_completions=16, temperature=10.0, max_new_tokens=TOKENS
    )
    completions = await engine.generate(request)
    await engine.close()
    assert {len(completion.token_ids) for completion in completions} == {TOKENS}
    assert {completion.finish_reason for completion in completions} == {FinishReason.LENGTH}


def test_trl_samples_up_to_the_limit(endless: Path, tmp_path: Path):
    settings = TrlSettings(
        model_path=endless,
        max_completion_length=TOKENS,
        temperature=10.0,
        barred_token_ids=tuple(barred_ids(endless)),
    )
    side = TrlSide(settings, examples(1, 56), tmp_path / "trl")
    side.step()
    assert side.lengths == [[TOKENS] * settings.num_generations]


def test_the_work_of_a_step():
    metrics = pb.StepMetrics(completion_length_mean=12.0, skipped_group_rate=0.5)
    assert Work.of_metrics(metrics, prompts=4, group=8) == Work(tokens=12, learnt=16, skipped=2)
    assert Work.of_lengths([12, 10]) == Work(tokens=11, learnt=2, skipped=0)
    assert Work.means([Work.of_lengths([12]), Work.of_lengths([10, 10])]) == [11, 1.5, 0]


def test_unequal_work_has_no_ratio():
    check_equal([Work.of_lengths([12, 12])], [Work(tokens=12, learnt=2, skipped=0)])
    for other in (
        Work(tokens=11.5, learnt=2, skipped=0),
        Work(tokens=12, learnt=1, skipped=0),
        Work(tokens=12, learnt=2, skipped=1),
    ):
        with pytest.raises(UnequalWork, match="no ratio is told"):
            check_equal([Work.of_lengths([12, 12])] * 2, [Work.of_lengths([12, 12]), other])


def test_a_machine_that_others_use_has_no_ratio():
    check_share(foreign_seconds=1.9, core_seconds=20)
    with pytest.raises(BusyMachine, match="computed for 2 of the 20 s"):
        check_share(foreign_seconds=2.1, core_seconds=20)


def test_what_was_started_meanwhile_is_not_another_process():
    before = own_seconds()
    compute = "import time\nwhile time.process_time() < 2: pass"
    subprocess.run([sys.executable, "-c", compute], check=True)
    assert own_seconds() - before > 1.9


def test_threads_wait_as_they_are_told():
    say = (
        "import os; from bench.equal_threads import share_threads; share_threads('spinning');"
        "print(os.environ['OMP_WAIT_POLICY'], os.environ['OMP_NUM_THREADS'])"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "PASSIVE"}
    run = subprocess.run(
        [sys.executable, "-c", say], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["ACTIVE", "3"]
