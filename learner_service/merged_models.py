"""Base models with a job's adapter in their weights, as the service sends them.

What makes them comes in when it is first wanted, as in interactive.py: it brings torch.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.output_files import STATE
from learner_service.models import ModelList, read_supported
from learner_service.spec import JobSpec, Training
from tally.rpc.blobs import MOST_CHUNK_BYTES
from tally.rpc.errors import FailedPrecondition, ResourceExhausted

# Each reads the whole base, and may be taken slowly.
_AT_ONCE = 4


class MergedModels:
    def __init__(self, models: ModelList) -> None:
        self._models = models
        self._under_way = 0

    async def send(self, spec: JobSpec, folder: JobFolder, adapter: Path) -> AsyncIterator[bytes]:
        """The bytes of a ZIP, at most MOST_CHUNK_BYTES at a time; `adapter` is the folder that lies
        in `folder` with the one to merge.

        Raises FailedPrecondition before the first where there is nothing to merge into,
        UnknownModel, ResourceExhausted.
        """
        if self._under_way >= _AT_ONCE:
            message = f"{self._under_way} merged models are on their way; try again later"
            raise ResourceExhausted(message)
        self._under_way += 1
        try:
            blocks = await asyncio.to_thread(self._begin, spec, folder, adapter)
            # What a caller that is gone leaves half done ends with its thread.
            while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                for start in range(0, len(block), MOST_CHUNK_BYTES):
                    yield block[start : start + MOST_CHUNK_BYTES]
        finally:
            self._under_way -= 1

    def _begin(self, spec: JobSpec, folder: JobFolder, adapter: Path) -> Iterator[bytes]:
        from learner_service.evaluation.report import read_comparison  # noqa: PLC0415 - see above
        from learner_service.merging.merged_model import MergedModel  # noqa: PLC0415 - see above
        from learner_service.model_card.card import TrainedAdapter, render  # noqa: PLC0415

        if not isinstance(spec.work, Training):
            raise FailedPrecondition("the job has no adapter to merge")
        source = self._models.source(spec.base_model)
        config, family = read_supported(source)
        steps = json.loads((adapter / STATE).read_text())["global_step"]
        is_result, report = adapter == folder.output, folder.report_archive
        card = render(
            TrainedAdapter(
                spec=spec,
                training=spec.work,
                family=family,
                grid=family.grid(config, family.load_image_processor(source)),
                history=[e for e in folder.history.entries() if e["step"] <= steps],
                comparison=read_comparison(report) if is_result and report.exists() else None,
                is_merged=True,
            )
        )
        return MergedModel(source, family, adapter, card).zip_blocks()
