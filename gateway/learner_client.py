"""The gateway's view of learner.v1 and its blob store."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.convert import (
    LearnerEvent,
    LearnerState,
    to_answers,
    to_event,
    to_preflight,
    to_spec,
    to_state,
)
from tally.learner.v1 import learner_pb2, learner_pb2_grpc
from tally.rpc.blobs import IDEMPOTENT_METHODS as BLOB_METHODS
from tally.rpc.blobs import BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.errors import translate_errors
from tally.rpc.settings import ClientSettings

_SERVICE = "tally.learner.v1.LearnerService"
_IDEMPOTENT_NAMES = ("StartJob", "GetJob", "GetJobLog", "CancelJob", "DeleteJob")
_IDEMPOTENT = tuple(f"{_SERVICE}/{name}" for name in _IDEMPOTENT_NAMES)
_WATCH_SECONDS = 3_600.0
_ANSWER_SECONDS = 120.0
_PREFLIGHT_SECONDS = 600.0


class LearnerClient:
    """Raises the exceptions of `tally.rpc.errors`."""

    def __init__(self, settings: ClientSettings, secret: str | None = None) -> None:
        methods = (*_IDEMPOTENT, *BLOB_METHODS)
        self._channel = open_channel(settings, idempotent_methods=methods, secret=secret)
        self._stub = learner_pb2_grpc.LearnerServiceStub(self._channel)
        self._blobs = BlobClient(self._channel)

    async def start(
        self,
        job_id: str,
        settings: Mapping[str, Any],
        dataset_digest: str,
        evaluation_digest: str | None,
        adapter_digest: str | None,
        *,
        owner: str,
    ) -> LearnerState:
        spec = to_spec(settings, dataset_digest, evaluation_digest, adapter_digest, owner)
        request = learner_pb2.StartJobRequest(job_id=job_id, spec=spec)
        async with translate_errors():
            return to_state((await self._stub.StartJob(request)).job)

    async def get(self, job_id: str) -> LearnerState:
        async with translate_errors():
            response = await self._stub.GetJob(learner_pb2.GetJobRequest(job_id=job_id))
        return to_state(response.job)

    async def cancel(self, job_id: str, timeout_seconds: float) -> LearnerState:
        request = learner_pb2.CancelJobRequest(job_id=job_id)
        async with translate_errors():
            response = await self._stub.CancelJob(request, timeout=timeout_seconds)
        return to_state(response.job)

    async def log(self, job_id: str, max_lines: int) -> str:
        """The last lines of what the job's workers printed."""
        request = learner_pb2.GetJobLogRequest(job_id=job_id, max_lines=max_lines)
        async with translate_errors():
            return str((await self._stub.GetJobLog(request)).text)

    async def delete(self, job_id: str) -> None:
        """A job that has ended, and what hangs on it; one that is not there is deleted already."""
        async with translate_errors():
            await self._stub.DeleteJob(learner_pb2.DeleteJobRequest(job_id=job_id))

    async def preflight(
        self, settings: Mapping[str, Any], dataset_digest: str, evaluation_digest: str | None
    ) -> dict[str, Any]:
        """What POST /train?dry_run=true answers."""
        spec = to_spec(settings, dataset_digest, evaluation_digest)
        request = learner_pb2.PreflightRequest(spec=spec)
        async with translate_errors():
            response = await self._stub.Preflight(request, timeout=_PREFLIGHT_SECONDS)
        return to_preflight(response)

    async def answer(
        self, image: bytes, question: str, job_id: str | None, settings: Mapping[str, Any]
    ) -> dict[str, dict[str, Any] | None]:
        """What the base model and the job's adapter say; None for an adapter without a job."""
        request = learner_pb2.AnswerRequest(
            image=image,
            question=question,
            job_id=job_id or "",
            base_model=settings.get("model", ""),
            max_image_size=settings.get("max_image_size"),
            max_new_tokens=settings.get("max_new_tokens"),
        )
        async with translate_errors():
            return to_answers(await self._stub.Answer(request, timeout=_ANSWER_SECONDS))

    async def watch(self, job_id: str, after_seq: int) -> AsyncIterator[LearnerEvent]:
        """The learner's events after `after_seq`, until the one that ends the job."""
        request = learner_pb2.WatchJobRequest(job_id=job_id, after_seq=after_seq)
        async with translate_errors():
            call = self._stub.WatchJob(request, timeout=_WATCH_SECONDS)
            try:
                async for response in call:
                    yield to_event(response.event)
            finally:
                call.cancel()

    async def put(self, path: Path, digest: str) -> None:
        await self._blobs.put_file(path, digest)

    async def has(self, digests: Iterable[str]) -> bool:
        """Whether it has all of these blobs."""
        return all([await self._blobs.exists(digest) for digest in digests])

    async def fetch(self, digest: str, path: Path) -> None:
        """Writes the verified blob to `path`."""
        await self._blobs.fetch_file(digest, path)

    async def close(self) -> None:
        await self._channel.close()
