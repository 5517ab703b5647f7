"""What a job would do, before there is one: its data, the base model on a sample, memory, time."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import Row, read_rows, stage_dataset
from learner_service.data.held_out import held_out_numbers
from learner_service.data.kinds import kinds_of
from learner_service.data.prompts import Prompter
from learner_service.errors import RolloutsUnavailable
from learner_service.models import read_supported
from learner_service.preflight import findings
from learner_service.preflight.base_sample import BaseSample, ask_base_model
from learner_service.preflight.findings import Finding, Severity, StepPlan, step_plan
from learner_service.preflight.memory import MemoryEstimate, available_memory, estimate_memory
from learner_service.preflight.routed_experts import of_experts
from learner_service.preflight.time_estimate import TimeEstimate, estimate_time
from learner_service.served_models import ServedModels
from learner_service.spec import JobSpec, Training
from tally.families.shape import ModelShape
from tally.job.metrics import StepMetrics
from tally.job.settings import TrainingConfig

_SAMPLED_ROWS = 32
_ORDER = {severity: place for place, severity in enumerate(Severity)}
EstimateMemory = Callable[[TrainingConfig], MemoryEstimate]


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
    memory: MemoryEstimate
    base: BaseSample | None = None
    time: TimeEstimate | None = None


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """Some of the rows that would be trained on, and the longest prompt among them.

    `image_tokens` are those of its image by its longest side in pixels.
    """

    rows: Sequence[Row]
    text_tokens: int
    image_tokens: Callable[[int], int]


def _read_shape(source: str) -> ModelShape:
    config, family = read_supported(source)
    return family.shape(config)


class Preflights:
    """`device` and `dtype` are those that a worker would be given."""

    def __init__(self, models: ServedModels, blobs: BlobStore, device: str, dtype: str) -> None:
        self._models = models
        self._blobs = blobs
        self._device = device
        self._dtype = dtype

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
        rows = await asyncio.to_thread(read_rows, self._blobs.path(spec.dataset_digest))
        held_out = set(held_out_numbers(rows, training.held_out_share, config.seed))
        training_rows = [row for row in rows if row.number not in held_out]
        counts = Counter(row.true_count for row in rows)
        plan = step_plan(config, len(training_rows))
        prompter = await self._models.load_prompter(spec.base_model)
        sample = await asyncio.to_thread(
            self._stage_sample, spec.dataset_digest, config, training_rows, prompter
        )
        shape = await asyncio.to_thread(_read_shape, source)
        estimate = await asyncio.to_thread(self._memory_estimate, shape, training, sample)
        base, of_base = await self._ask_base(spec.base_model, training, prompter, sample)
        found = [
            *findings.of_data(counts, len(training_rows), len(held_out), training),
            *findings.of_steps(config, plan, len(training_rows)),
            *findings.of_memory(config, estimate),
            *of_experts(config, shape, self._bytes_per_number(estimate(config).device)),
            *of_base,
        ]
        return Preflight(
            findings=sorted(found, key=lambda finding: _ORDER[finding.severity]),
            counts=dict(sorted(counts.items())),
            kinds=dict(Counter(kinds_of([row.question for row in rows])).most_common()),
            rows=len(rows),
            images=len({row.image_digest for row in rows}),
            held_out_rows=len(held_out),
            steps=plan,
            memory=estimate(config),
            base=base,
            time=estimate_time(plan, base, earlier_steps),
        )

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
        )

    def _memory_estimate(
        self, shape: ModelShape, training: Training, sample: RowSample
    ) -> EstimateMemory:
        """What the worker would need, as a function of settings that may differ from the job's."""
        device, available_bytes = available_memory(self._device)

        def estimate(changed: TrainingConfig) -> MemoryEstimate:
            return estimate_memory(
                shape,
                changed,
                training.lora,
                prompt_tokens=sample.text_tokens + sample.image_tokens(changed.max_image_size),
                device=device,
                bytes_per_number=self._bytes_per_number(device),
                available_bytes=available_bytes,
            )

        return estimate

    def _bytes_per_number(self, device: str) -> int:
        half = self._dtype == "bfloat16" or (self._dtype == "auto" and device == "cuda")
        return 2 if half else 4

    async def _ask_base(
        self, base_model: str, training: Training, prompter: Prompter, sample: RowSample
    ) -> tuple[BaseSample | None, list[Finding]]:
        """The base model on the sample, where replicas answer and take the settings."""
        config = training.config
        try:
            served = await self._models.check_served(prompter, base_model)
            limits = findings.of_limits(config, served, sample.text_tokens, sample.image_tokens)
            if beyond := list(limits):
                return None, beyond
            clients = await self._models.clients()
            base = await ask_base_model(*clients, prompter, training, sample.rows)
        except RolloutsUnavailable:
            return None, [findings.rollouts_away()]
        return base, list(findings.of_base(base, config))
