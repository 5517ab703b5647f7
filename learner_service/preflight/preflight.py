"""What a job would do, before there is one: its data, the base model on a sample, memory, time."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from transformers import AutoConfig

from learner_service.asking import Asking
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import Sampling
from learner_service.data.dataset import Row, read_rows, stage_dataset
from learner_service.data.held_out import held_out_numbers
from learner_service.data.kinds import kinds_of
from learner_service.data.prompts import Prompter
from learner_service.errors import RolloutsUnavailable
from learner_service.evaluation.comparison import SCORES, ratio_scores
from learner_service.models import supported_family
from learner_service.preflight import findings
from learner_service.preflight.findings import BaseSample, Finding, Severity, StepPlan, step_plan
from learner_service.preflight.memory import (
    MemoryEstimate,
    available_memory,
    estimated_memory,
)
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics
from tally.job.settings import TrainingConfig

_SAMPLE = 32
_ORDER = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True)
class TimeEstimate:
    seconds_per_step: float
    seconds: float
    basis: str


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


class Preflights:
    """`source` is where the spec's base model is loaded from."""

    def __init__(self, asking: Asking, blobs: BlobStore, device: str, dtype: str) -> None:
        self._asking = asking
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
        """`earlier_steps`: metrics of steps of an earlier job with the same base model."""
        config = training.config
        rows = await asyncio.to_thread(read_rows, self._blobs.path(spec.dataset_digest))
        held_out = set(held_out_numbers(rows, training.held_out_share, config.seed))
        training_rows = [row for row in rows if row.number not in held_out]
        counts = Counter(row.true_count for row in rows)
        plan = step_plan(config, len(training_rows))
        found = [
            *findings.of_data(counts, len(training_rows), len(held_out), training),
            *findings.of_steps(config, plan, len(training_rows)),
        ]
        prompter = await self._asking.prompter_alone(spec.base_model)
        asked = await asyncio.to_thread(
            self._staged, spec.dataset_digest, config, training_rows, prompter
        )
        prompts = [prompter.prompt(row, seed=config.seed) for row in asked]
        longest = max(range(len(asked)), key=lambda number: len(prompts[number].token_ids))
        prompt_tokens = len(prompts[longest].token_ids)
        image_tokens = prompter.grid.tokens(asked[longest].width, asked[longest].height)
        config = await asyncio.to_thread(AutoConfig.from_pretrained, source)
        shape = supported_family(config).shape(config)
        device, available_bytes = available_memory(self._device)

        def memory_of(changed: TrainingConfig) -> MemoryEstimate:
            share = (changed.max_image_size / config.max_image_size) ** 2
            return estimated_memory(
                shape,
                changed,
                training.lora,
                prompt_tokens=prompt_tokens - image_tokens + round(image_tokens * share),
                device=device,
                bytes_per_number=self._bytes_per_number(device),
                available_bytes=available_bytes,
            )

        found += findings.of_memory(config, memory_of)
        base = None
        try:
            served = await self._asking.served(prompter, spec.base_model)
            limits = list(findings.of_limits(config, served, prompt_tokens, image_tokens))
            found += limits
            if not limits:
                base = await self._base(training, asked, prompter)
                found += findings.of_base(base, config)
        except RolloutsUnavailable:
            found.append(_replicas_away())
        return Preflight(
            findings=sorted(found, key=lambda finding: _ORDER[finding.severity]),
            counts=dict(sorted(counts.items())),
            kinds=dict(Counter(kinds_of([s.question for s in rows])).most_common()),
            rows=len(rows),
            images=len({row.image_digest for row in rows}),
            held_out_rows=len(held_out),
            steps=plan,
            memory=memory_of(config),
            base=base,
            time=_time(plan, base, earlier_steps),
        )

    def _bytes_per_number(self, device: str) -> int:
        half = self._dtype == "bfloat16" or (self._dtype == "auto" and device == "cuda")
        return 2 if half else 4

    def _staged(
        self,
        dataset_digest: str,
        config: TrainingConfig,
        training_rows: Sequence[Row],
        prompter: Prompter,
    ) -> list[Row]:
        """A sample of what would be trained on, its images as blobs."""
        generator = random.Random(config.seed)
        chosen = generator.sample(list(training_rows), min(_SAMPLE, len(training_rows)))
        return stage_dataset(
            self._blobs.path(dataset_digest),
            self._blobs,
            prompter.grid,
            config.max_image_size,
            only_numbers={row.number for row in chosen},
        )

    async def _base(
        self, training: Training, rows: Sequence[Row], prompter: Prompter
    ) -> BaseSample:
        """The base model at the job's own temperature: what the first step would see."""
        config = training.config
        rollouts, rewards = await self._asking.clients()
        prompts = [prompter.prompt(row, config.seed + number) for number, row in enumerate(rows)]
        size = config.num_generations
        sampling = Sampling(
            num_completions=size,
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
        )
        started = time.monotonic()
        groups = await rollouts.generate(prompts, "", sampling)
        seconds = time.monotonic() - started
        texts = [prompter.answer(completion) for group in groups for completion in group]
        truth = [row.true_count for row in rows for _ in range(size)]
        scores = await rewards.score(texts, truth, training.rewards)
        starts = range(0, len(scores), size)
        values = ratio_scores(scores).values()
        return BaseSample(
            num_samples=len(rows),
            scores={name: float(value) for name, value in zip(SCORES, values, strict=True)},
            varied_group_rate=fmean(
                len({score.reward for score in scores[start : start + size]}) > 1
                for start in starts
            ),
            any_right_rate=fmean(
                any(score.difference == 0 for score in scores[start : start + size])
                for start in starts
            ),
            completions=len(scores),
            seconds=seconds,
        )


def _time(
    plan: StepPlan, base: BaseSample | None, earlier: Sequence[StepMetrics]
) -> TimeEstimate | None:
    """From the steps of an earlier job, by completions; else from the sample's answers alone."""
    per_completion = [1 / step.samples_per_second for step in earlier if step.samples_per_second]
    if per_completion:
        per_step = median(per_completion) * plan.completions_per_step
        basis = "the steps of an earlier job with this model"
    elif base is not None:
        per_step = base.seconds * plan.completions_per_step / base.completions
        basis = "the sample's answers alone, without learning: it will take longer"
    else:
        return None
    return TimeEstimate(seconds_per_step=per_step, seconds=per_step * plan.total_steps, basis=basis)


def _replicas_away() -> Finding:
    return Finding(
        severity=Severity.WARNING,
        code="rollouts_away",
        where="",
        message="no rollout replica answers now, so the base model was not asked; a job would wait",
    )
