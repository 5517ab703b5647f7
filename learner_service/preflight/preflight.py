"""What a job would do, before there is one: its data, the base model on a sample, memory, time."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import RolloutModel
from learner_service.data.dataset import Row, read_rows, stage_dataset
from learner_service.data.held_out import held_out_numbers
from learner_service.data.kinds import kinds_of
from learner_service.data.prompts import Prompter
from learner_service.errors import RolloutsUnavailable
from learner_service.preflight import exact_counts, findings
from learner_service.preflight.base_sample import BaseSample, ask_base_model
from learner_service.preflight.count_forms import find_unwritten
from learner_service.preflight.findings import Finding, Severity, StepPlan, step_plan
from learner_service.preflight.job_memory import JobMemory
from learner_service.preflight.memory import MemoryEstimate, Prompts
from learner_service.preflight.memory_findings import of_memory, of_sharding
from learner_service.preflight.reading_once import of_dropout
from learner_service.preflight.routed_experts import of_experts
from learner_service.preflight.time_estimate import TimeEstimate, estimate_time
from learner_service.preflight.warmer_temperature import find_warmer
from learner_service.served_models import ServedModels
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics
from tally.job.settings import TrainingConfig

_SAMPLED_ROWS = 32
_ORDER = {severity: place for place, severity in enumerate(Severity)}
_VLLM = "vllm"  # as the engine calls itself


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """See PreflightResponse in learner.proto."""

    findings: list[Finding]
    counts: dict[int, int]
    kinds: dict[str, int]
    rows: int
    images: int
    held_out_rows: int
    steps: StepPlan
    prompt_example: str
    memory: MemoryEstimate
    replica_memory: MemoryEstimate | None = None
    base: BaseSample | None = None
    time: TimeEstimate | None = None


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """Some of the rows that would be trained on, and the longest prompt among them.

    `image_tokens` are those of its image by its longest side in pixels; `images` counts those of
    all rows that would be trained on, `largest_true_count` is theirs.
    """

    rows: Sequence[Row]
    text_tokens: int
    image_tokens: Callable[[int], int]
    images: int
    largest_true_count: int

    def prompts(self, max_side_pixels: int) -> Prompts:
        """Of the job, taking none for longer than the longest here."""
        image_tokens = self.image_tokens(max_side_pixels)
        return Prompts(
            tokens=self.text_tokens + image_tokens,
            image_tokens=image_tokens,
            images=self.images,
            largest_true_count=self.largest_true_count,
        )


class Preflights:
    """`settings` are those that a worker would be given."""

    def __init__(self, models: ServedModels, blobs: BlobStore, settings: LearnerSettings) -> None:
        self._models = models
        self._blobs = blobs
        self._settings = settings

    async def run(
        self,
        spec: JobSpec,
        training: Training,
        source: str,
        earlier_steps: Sequence[StepMetrics],
    ) -> Preflight:
        """`source` is where the base model is loaded from.

        `earlier_steps`: metrics of steps of an earlier job with the same base model.
        """
        config = training.config
        path, limits = self._blobs.path(spec.dataset_digest), self._settings.dataset
        rows = await asyncio.to_thread(read_rows, path, limits)
        held_out = set(held_out_numbers(rows, training.held_out_share, config.seed))
        training_rows = [row for row in rows if row.number not in held_out]
        counts = Counter(row.true_count for row in rows)
        plan = step_plan(config, len(training_rows))
        loaded = await self._models.load_prompter(spec.base_model)
        prompter = loaded.asking(training.prompt)
        sample = await asyncio.to_thread(
            self._stage_sample, spec.dataset_digest, config, training_rows, prompter
        )
        memory = await asyncio.to_thread(
            JobMemory.of_model, source, training, sample.prompts, self._settings
        )
        served = await self._find_served(prompter, spec.base_model)
        base, of_base = await self._ask_base(served, spec.base_model, training, prompter, sample)
        kinds = await asyncio.to_thread(kinds_of, [row.question for row in rows])
        found = [
            *findings.of_data(counts, len(training_rows), len(held_out), training),
            *findings.of_steps(config, plan, len(training_rows)),
            *exact_counts.of_counts(config, max(counts)),
            *of_memory(config, memory.of_worker),
            *of_sharding(config, memory.shard_count(config), memory.of_worker),
            *of_experts(config, memory.shape, memory.device.bytes_per_number),
            *of_dropout(training, memory, plan),
            *of_base,
        ]
        return Preflight(
            findings=sorted(found, key=lambda finding: _ORDER[finding.severity]),
            counts=dict(sorted(counts.items())),
            kinds=dict(Counter(kinds).most_common()),
            rows=len(rows),
            images=_count_images(rows),
            held_out_rows=len(held_out),
            steps=plan,
            prompt_example=prompter.render(sample.rows[0].question),
            memory=memory.of_worker(config),
            replica_memory=self._of_replica(memory, served),
            base=base,
            time=estimate_time(plan, base, earlier_steps),
        )

    def _of_replica(self, memory: JobMemory, served: RolloutModel | None) -> MemoryEstimate | None:
        """None where there is none beside the job, or it takes what it is set to."""
        if served is None or served.engine == _VLLM or self._settings.samples_inside:
            return None
        return memory.of_replica(use_4bit=served.use_4bit)

    def _stage_sample(
        self,
        dataset_digest: str,
        config: TrainingConfig,
        training_rows: Sequence[Row],
        prompter: Prompter,
    ) -> RowSample:
        """Stages the images of the sample as blobs."""
        generator = random.Random(config.seed)
        chosen = generator.sample(list(training_rows), min(_SAMPLED_ROWS, len(training_rows)))
        rows = stage_dataset(
            self._blobs.path(dataset_digest),
            self._blobs,
            prompter.grid,
            config.max_image_size,
            limits=self._settings.dataset,
            only_numbers={row.number for row in chosen},
        )
        lengths = [len(prompter.prompt(row, seed=config.seed).token_ids) for row in rows]
        longest, grid = rows[lengths.index(max(lengths))], prompter.grid

        def image_tokens(max_side_pixels: int) -> int:
            return grid.tokens(*grid.fit(longest.width, longest.height, max_side_pixels))

        return RowSample(
            rows=rows,
            text_tokens=max(lengths) - grid.tokens(longest.width, longest.height),
            image_tokens=image_tokens,
            images=_count_images(training_rows),
            largest_true_count=max(row.true_count for row in training_rows),
        )

    async def _find_served(self, prompter: Prompter, base_model: str) -> RolloutModel | None:
        """None where no replica answers."""
        try:
            return await self._models.check_served(prompter, base_model)
        except RolloutsUnavailable:
            return None

    async def _ask_base(
        self,
        served: RolloutModel | None,
        base_model: str,
        training: Training,
        prompter: Prompter,
        sample: RowSample,
    ) -> tuple[BaseSample | None, list[Finding]]:
        """The base model on the sample, where replicas answer and take the settings."""
        if served is None:
            return None, [self._rollouts_away()]
        config = training.config
        limits = findings.of_limits(config, served, sample.text_tokens, sample.image_tokens)
        if beyond := list(limits):
            return None, beyond
        try:
            clients = await self._models.rollouts(base_model), await self._models.rewards()
            base = await ask_base_model(*clients, prompter, training, sample.rows)
            warmer = (
                await find_warmer(
                    *clients,
                    prompter,
                    training,
                    sample.rows,
                    base=base,
                    highest=served.max_temperature,
                )
                if findings.lacks_variety(base, config)
                else None
            )
            unwritten = (
                await find_unwritten(*clients, prompter, training, sample.rows)
                if config.is_exact
                else []
            )
        except RolloutsUnavailable:
            return None, [self._rollouts_away()]
        of_forms = exact_counts.of_forms(unwritten, len(sample.rows))
        return base, [*of_forms, *findings.of_base(base, config, warmer)]

    def _rollouts_away(self) -> Finding:
        return findings.rollouts_away(inside=self._settings.samples_inside)


def _count_images(rows: Sequence[Row]) -> int:
    return len({row.image_digest for row in rows})
