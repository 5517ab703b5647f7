"""A trainer on the random policy, with the real reward service and rollouts that are made up."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch

from learner_service import spec
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.retry import Retry
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import RolloutClient
from learner_service.data.dataset import Row
from learner_service.data.images import to_png
from learner_service.evaluation.evaluator import Evaluator
from learner_service.events import Event, HeldOutScored, StepDone
from learner_service.grpo.count_groups import sampler_of
from learner_service.grpo.groups import PromptStage
from learner_service.grpo.held_out_evaluation import HeldOutEvaluation
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.run_end import RunEnd
from learner_service.grpo.step import StepLearner
from learner_service.grpo.trainer import GRPOTrainer
from learner_service.grpo.untaught_steps import UntaughtSteps
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.layout import JobFolder
from learner_service.phases import Phases
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy, PolicySettings
from learner_service.ranks import Ranks
from learner_service.settings import Tracker
from learner_service.tracking.tracker_runs import RunIdentity
from learner_service.tracking.trackers import Trackers
from tally.job.settings import LoraConfig, TrainingConfig
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of
from tally.samples.scenes import draw_scene
from tests.fakes.counting_rollouts import CountingRollouts
from tests.fakes.worker_services import WorkerServices

SIDE_PIXELS = 56


@dataclass(kw_only=True)
class Training:
    """A trainer with the parts that it was made of, by their names, and what it reported."""

    trainer: GRPOTrainer
    parts: dict[str, Any]
    learner: StepLearner
    ahead: RolloutsAhead
    rollouts: CountingRollouts
    stop: threading.Event
    events: list[Event] = field(default_factory=list)

    @property
    def steps(self) -> list[StepDone]:
        return [event for event in self.events if isinstance(event, StepDone)]

    @property
    def evaluations(self) -> list[HeldOutScored]:
        return [event for event in self.events if isinstance(event, HeldOutScored)]

    @property
    def adapter_digest(self) -> str:
        return digest_of(b"".join(p.detach().numpy().tobytes() for p in self.learner.parameters))


class AllAtOnce(RolloutsAhead):
    """Nothing overlaps: a step is learnt from once all of it is sampled and scored."""

    def take(self):
        step = super().take()
        step.take_passes()
        return step


def settings(**changes: object) -> TrainingConfig:
    return TrainingConfig(
        **{
            "learning_rate": 1e-2,
            "batch_size": 2,
            "gradient_accumulation_steps": 2,
            "num_generations": 3,
            "temperature": 1.0,
            "max_new_tokens": 24,
            "max_steps": 4,
            "save_steps": 1000,
        }
        | changes
    )


@contextmanager
def training(
    policy_path: Path,
    folder: Path,
    *,
    num_rows: int = 10,
    num_held_out: int = 0,
    greedy_count: Callable[[str], int] | None = None,
    kind: type[RolloutsAhead] = RolloutsAhead,
    same_answers: Callable[[int], bool] = lambda seed: seed % 3 == 0,
    short_answers: bool = False,
    corrected: bool = False,
    ranks: Ranks | None = None,
    sharded: bool = False,
    lora_dropout: float = 0.0,
    report_to: Sequence[Tracker] = (),
    on_event: Callable[[Event], None] = lambda event: None,
    **changes: object,
) -> Iterator[Training]:
    """Everything but the worker process around it; `short_answers` are the counts alone."""
    chosen, stop = settings(**changes), threading.Event()
    ranks = ranks or Ranks.alone()
    policy = load_policy(policy_path, lora_dropout, sharded_over=ranks if sharded else None)
    store = BlobStore(folder / "blobs")
    loop = BackgroundLoop(stop)
    tokenizer = policy.tokenizer

    def encode(text: str) -> list[int]:
        said = text.split()[3] if short_answers else text
        return [*tokenizer(said)["input_ids"], tokenizer.eos_token_id]

    rollouts = CountingRollouts(encode, same_answers=same_answers, greedy_count=greedy_count)
    services = WorkerServices(rollouts)
    channels = AsyncExitStack()
    clients = loop.run(_open_clients(services, channels))
    stage = PromptStage(policy, store)
    drawn = _draw_rows(store, num_rows + num_held_out)
    rows, held_out = drawn[:num_rows], drawn[num_rows:]
    ahead = kind(
        sampler=sampler_of(
            rows,
            stage=stage,
            rollouts=clients[0],
            rewards=clients[1],
            training=chosen,
            reward_weights=(),
        ),
        loop=loop,
        rows=rows,
        training=chosen,
        ranks=ranks,
    )
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        on_event(event)

    evaluator = Evaluator(
        prompter=stage,
        rollouts=clients[0],
        rewards=clients[1],
        loop=loop,
        max_new_tokens=chosen.max_new_tokens,
        report=report,
    )
    history = JobFolder(folder).history
    learner = StepLearner(policy, stage.features, chosen, corrected=corrected, ranks=ranks)
    parts = {
        "learner": learner,
        "stage": stage,
        "ahead": ahead,
        "publisher": AdapterPublisher(store, kept=2 + chosen.staleness),
        "rows": rows,
        "training": chosen,
        "folder": JobFolder(folder),
        "run_end": RunEnd(
            evaluation=HeldOutEvaluation(evaluator, held_out, chosen, history, ranks),
            untaught=UntaughtSteps(chosen, history, report),
        ),
        "report": report,
        "phases": Phases(report),
        "stop": stop,
    }
    trainer = GRPOTrainer(
        **parts,
        checkpoints_kept=2,
        complete_checkpoint=lambda folder: None,
        keeper=Keeper(),
        trackers=trackers(report_to, folder, events, chosen),
    )
    try:
        yield Training(
            trainer=trainer,
            parts=parts,
            learner=learner,
            ahead=ahead,
            rollouts=rollouts,
            stop=stop,
            events=events,
        )
    finally:
        stop.clear()
        ahead.cancel()
        loop.run(channels.aclose())
        services.close()
        loop.close()


def trackers(
    chosen: Sequence[Tracker], folder: Path, events: list[Event], config: TrainingConfig
) -> Trackers:
    identity = RunIdentity(
        job_id="job",
        name="a job",
        folder=JobFolder(folder),
        keeper=Keeper(),
        wandb_folder=folder,
        tensorboard_folder=folder / "tensorboard",
    )
    work = spec.Training(config=config)
    job = spec.JobSpec(dataset_digest="a" * 64, base_model="small", work=work)
    return Trackers(list(chosen), identity, job, events.append)


def load_policy(path: Path, lora_dropout: float = 0.0, sharded_over: Ranks | None = None) -> Policy:
    torch.manual_seed(11)
    source = PolicySettings(
        source=str(path),
        device="cpu",
        dtype=torch.float32,
        use_4bit=False,
        seed=3,
        feature_cache_bytes=10**8,
    )
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=lora_dropout)
    return Policy(source, lora, sharded_over=sharded_over)


def _draw_rows(store: BlobStore, number: int) -> list[Row]:
    scenes = [draw_scene(Random(index)) for index in range(number)]
    return [
        Row(
            number=index,
            question=scene.question,
            true_count=scene.count,
            image_digest=store.put_bytes(to_png(scene.image.resize((SIDE_PIXELS, SIDE_PIXELS)))),
            width=SIDE_PIXELS,
            height=SIDE_PIXELS,
        )
        for index, scene in enumerate(scenes)
    ]


async def _open_clients(
    services: WorkerServices, channels: AsyncExitStack
) -> tuple[RolloutClient, RewardClient]:
    to_rollout, to_reward = [
        await channels.enter_async_context(open_channel(target, idempotent_methods=()))
        for target in (services.rollout, services.reward)
    ]
    retry = Retry(5.0, lambda waiting: None)
    return RolloutClient(to_rollout, retry, 16), RewardClient(to_reward, retry)
