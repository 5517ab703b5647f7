"""One job in one, two and three processes: the same adapter, the same figures, the same end.

Three launches run side by side, each through all cases; a checkpoint of two is resumed by each.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from learner_service.errors import LossNotFinite, RolloutsUnavailable, StopRequested
from learner_service.ranks import Ranks
from tests.learner_service.rank_process import RankProcesses
from tests.learner_service.training import Training, training
from tests.waiting import wait_until

COUNTS = (1, 2, 3)
STEPS = 10
# A tenth of what Adam moves a weight by in a step: where a gradient is next to nothing, the order
# of a sum decides how far, which differs between CPUs too. A wrong share moves it by more.
TOLERANCE = 1e-3
# Shared out unevenly.
EVALUATED: dict[str, Any] = {"evaluation_steps": 4, "num_held_out": 7}
# Every loss type with and without KL; what else a job may be set to is spread over them. A step has
# four rows in two forward passes at most: an odd number of rows leaves one with fewer.
CASES: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo", "num_rows": 5},
    "grpo-kl": {"loss_type": "grpo", "beta": 0.05, "advantage_scale": "batch", "num_rows": 7},
    "bnpo": {"loss_type": "bnpo", "advantage_scale": "batch", "num_rows": 9},
    "bnpo-kl": {"loss_type": "bnpo", "beta": 0.05, "staleness": 1, "num_rows": 7},
    "dr_grpo": {"loss_type": "dr_grpo", "staleness": 1, "num_rows": 5},
    "dr_grpo-kl": {"loss_type": "dr_grpo", "beta": 0.05, "batch_size": 1, "num_rows": 5},
    "dapo": {"loss_type": "dapo", "zero_variance_groups": "refill", "num_rows": 9},
    "dapo-kl": {"loss_type": "dapo", "beta": 0.05, "corrected": True, "num_rows": 9},
    "gspo": {"loss_type": "gspo", "gradient_accumulation_steps": 5, "num_rows": 17},
    "gspo-kl": {"loss_type": "gspo", "beta": 0.05, "weight_decay": 0.1, "num_rows": 7} | EVALUATED,
    "history": {"prompt_selection": "by_history", "staleness": 1, "num_rows": 21},
    "first": {"first_completions": 2, "num_generations": 4, "num_rows": 9}
    | {"loss_type": "bnpo", "advantage_scale": "batch", "staleness": 1},
    # A random policy seldom says a count: what lies outside is sampled in every pass.
    "exact": {"estimator": "exact_counts", "short_answers": True, "num_rows": 5},
    "exact-kl": {"estimator": "exact_counts", "short_answers": True, "beta": 0.05, "num_rows": 7}
    | {"outside_mass_bound": 1.0},
}
# Each loss type once more by two and three that hold the base in parts, half of them with KL.
SHARDED = ("grpo", "bnpo-kl", "dr_grpo", "dapo-kl", "gspo", "exact")
# Cut within an epoch; the step that comes next had been asked for.
CUT: dict[str, Any] = {"lora_dropout": 0.1, "staleness": 1, "num_rows": 11, "save_steps": 5}
TIMES = {
    "rollout_seconds",
    "reward_seconds",
    "learning_seconds",
    "step_seconds",
    "waiting_seconds",
    "samples_per_second",
    "tokens_per_second",
}


class Process:
    """One of a job's processes, which trains one job after the other."""

    def __init__(self, ranks: Ranks, policy: Path, folder: Path) -> None:
        self.ranks = ranks
        self._policy = policy
        self._folder = folder

    @contextmanager
    def training(self, name: str, **case: Any) -> Iterator[Training]:
        folder = self._folder / f"{name}-{self.ranks.rank}"
        with training(
            self._policy, folder, **{"max_steps": STEPS, "ranks": self.ranks} | case
        ) as running:
            yield running

    def train(self, name: str, checkpoint: Path | None = None, **case: Any) -> dict[str, Any]:
        """The first process saves the adapter as NAME.pt."""
        with self.training(name, **case) as running:
            running.trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
            if self.ranks.is_first:
                adapter = [p.detach().flatten() for p in running.learner.parameters]
                torch.save(torch.cat(adapter), self._folder / f"{name}.pt")
            seeds = [request.sampling.seed for request in running.rollouts.requests]
            return {
                "digests": self.ranks.exchange(running.adapter_digest),
                "seeds": sorted(seed for own in self.ranks.exchange(seeds) for seed in own),
                "metrics": [asdict(step.metrics) for step in running.steps],
                "evaluations": [asdict(one) for one in running.evaluations],
                "said": len(running.events),
            }

    def end(self, name: str, spoil: Callable[[Training], None]) -> dict[str, Any]:
        """How a job ends that the second process spoils."""
        with self.training(name) as running:
            if self.ranks.rank == 1 % self.ranks.count:
                spoil(running)
            try:
                running.trainer.train()
            except (LossNotFinite, RolloutsUnavailable, StopRequested) as error:
                ended = f"{type(error).__name__}: {error}"
                if not isinstance(error, LossNotFinite):
                    self.ranks.leave(error)
            running.trainer.save_where_it_stands()
            return {"ended": ended, "step": running.trainer.state.global_step}


def raise_at_step_5(running: Training, error: Exception | None = None) -> None:
    """In the middle of it; without an error the process is asked to stop."""
    take, taken = running.ahead.take, []

    def take_or_raise() -> object:
        taken.append(1)
        if len(taken) == 5:
            running.stop.set()
            if error:
                raise error
        return take()

    running.ahead.take = take_or_raise


def lose_a_weight(running: Training) -> None:
    running.learner.parameters[0].data.fill_(torch.nan)


def run(ranks: Ranks, folder: Path, policy: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    process = Process(ranks, Path(policy), folder)
    done = {name: process.train(name, **case) for name, case in CASES.items()}
    for name in SHARDED if ranks.count > 1 else ():
        done[f"{name}-sharded"] = process.train(f"{name}-sharded", sharded=True, **CASES[name])
    if ranks.count == 2:
        done["cut"] = process.train("cut", **CUT)
    checkpoint = folder.parent / "2" / "cut-0" / "checkpoints" / "checkpoint-5"
    wait_until(checkpoint.exists)
    done["resumed"] = process.train("resumed", checkpoint, **CUT)
    if ranks.count > 1:
        done["resumed-sharded"] = process.train("resumed-sharded", checkpoint, sharded=True, **CUT)
    done["nan"] = process.end("nan", lose_a_weight)
    error = RolloutsUnavailable("no replica is there") if ranks.count == 3 else None
    done["end"] = process.end("end", lambda running: raise_at_step_5(running, error))
    return done


@pytest.fixture(scope="module")
def launched(
    random_policy_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[Path, list[dict[str, Any]]]]:
    """The folder and the results of all processes, by their number."""
    folder = tmp_path_factory.mktemp("ranks")
    running = {
        count: RankProcesses(count, run, folder / str(count), policy=str(random_policy_path))
        for count in COUNTS
    }
    results = {count: processes.results() for count, processes in running.items()}
    for said in results.values():
        assert all("result" in one for one in said), said
    return {
        count: (folder / str(count), [one["result"] for one in said])
        for count, said in results.items()
    }


def farthest(launched: Any, name: str, count: int, other: str, other_count: int) -> float:
    """The largest difference of two adapters."""
    first = torch.load(launched[count][0] / f"{name}.pt")
    second = torch.load(launched[other_count][0] / f"{other}.pt")
    return (first - second).abs().max().item()


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_held_out_is_shared_and_scored_as_one(launched: Any, count: int):
    evaluations = launched[count][1][0]["gspo-kl"]["evaluations"]
    assert [one["step"] for one in evaluations] == [4, 8, STEPS]
    assert {one["num_samples"] for one in evaluations} == {EVALUATED["num_held_out"]}
    assert evaluations == launched[1][1][0]["gspo-kl"]["evaluations"]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_processes_trains_the_same_adapter(launched: Any, name: str, count: int):
    alone, together = launched[1][1][0][name], launched[count][1][0][name]
    assert farthest(launched, name, 1, name, count) < TOLERANCE
    assert len(set(together["digests"])) == 1
    assert together["seeds"] == alone["seeds"]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", SHARDED)
def test_processes_that_hold_the_base_in_parts_train_the_same_adapter(
    launched: Any, name: str, count: int
):
    assert farthest(launched, name, 1, f"{name}-sharded", count) < TOLERANCE
    assert len(set(launched[count][1][0][f"{name}-sharded"]["digests"])) == 1


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_first_process_tells_the_figures_of_all(launched: Any, name: str, count: int):
    alone, together = launched[1][1][0][name], launched[count][1][0][name]
    assert len(together["metrics"]) == len(alone["metrics"]) == STEPS
    for theirs, own in zip(alone["metrics"], together["metrics"], strict=True):
        found, expected = (
            {name: of[name] for name in of.keys() - TIMES if of[name] is not None}
            for of in (own, theirs)
        )
        for figure in ("reward_share_by_component", "reward_mean_by_component"):
            assert found.pop(figure) == pytest.approx(expected.pop(figure))
        assert found == pytest.approx(expected, rel=1e-2, abs=1e-4)
    others = launched[count][1][1:]
    assert [other[name]["metrics"] for other in others] == [[]] * (count - 1)


@pytest.mark.parametrize("count", COUNTS)
def test_a_checkpoint_of_two_is_resumed_by_any_number(launched: Any, count: int):
    assert farthest(launched, "cut", 2, "resumed", count) < (TOLERANCE if count != 2 else 1e-30)
    assert len(launched[count][1][0]["resumed"]["metrics"]) == STEPS - 5


@pytest.mark.parametrize("count", [2, 3])
def test_a_checkpoint_is_resumed_by_processes_that_hold_the_base_in_parts(
    launched: Any, count: int
):
    assert farthest(launched, "cut", 2, "resumed-sharded", count) < TOLERANCE


@pytest.mark.parametrize("count", COUNTS)
def test_what_ends_one_ends_all_at_the_same_step(launched: Any, count: int):
    folder, results = launched[count]
    loss = "LossNotFinite: the loss is not a finite number; try a lower learning_rate"
    end = "RolloutsUnavailable: no replica is there" if count == 3 else "StopRequested: "
    assert [one["nan"] for one in results] == [{"ended": loss, "step": 0}] * count
    assert [one["end"] for one in results] == [{"ended": end, "step": 4}] * count
    assert [path.name for path in folder.glob("end-*/checkpoints/*")] == ["checkpoint-4"]
