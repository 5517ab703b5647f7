"""The gateway's view of learner.v1 and its blob store."""

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.chat_convert import ChatQuestion, ChatReply, to_chat_reply, to_chat_request
from gateway.convert import (
    LearnerEvent,
    LearnerState,
    QueuePlace,
    to_answers,
    to_checkpoint,
    to_event,
    to_models,
    to_places,
    to_state,
)
from gateway.preflight_convert import to_preflight
from gateway.spec_convert import Blobs, to_spec
from tally.learner.v1 import learner_pb2, learner_pb2_grpc
from tally.messages.languages import Language
from tally.rpc.blobs import IDEMPOTENT_METHODS as BLOB_METHODS
from tally.rpc.blobs import BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.errors import translate_errors
from tally.rpc.settings import ClientSettings

_SERVICE = "tally.learner.v1.LearnerService"
_IDEMPOTENT_NAMES = (
    "StartJob", "GetJob", "GetJobLog", "GetQueue", "CancelJob", "PackAdapter", "DeleteJob",
    "ListModels",
)  # fmt: skip
_IDEMPOTENT = tuple(f"{_SERVICE}/{name}" for name in _IDEMPOTENT_NAMES)
_WATCH_SECONDS = 3_600.0
_ANSWER_SECONDS = 120.0
_PACK_SECONDS = 120.0
_PREFLIGHT_SECONDS = 600.0
_MERGED_SECONDS = 86_400.0  # of many gigabytes, as fast as they are taken


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
        kind: str,
    ) -> LearnerState:
        """`kind` is that of `to_spec`."""
        blobs = Blobs(dataset_digest, evaluation_digest, adapter_digest)
        spec = to_spec(settings, blobs, owner, kind)
        request = learner_pb2.StartJobRequest(job_id=job_id, spec=spec)
        async with translate_errors():
            return to_state((await self._stub.StartJob(request)).job)

    async def get(self, job_id: str) -> LearnerState:
        async with translate_errors():
            response = await self._stub.GetJob(learner_pb2.GetJobRequest(job_id=job_id))
        return to_state(response.job)

    async def queue(self, timeout_seconds: float) -> dict[str, QueuePlace]:
        """Of the jobs that wait for their turn, by their ids."""
        request = learner_pb2.GetQueueRequest()
        async with translate_errors():
            return to_places(await self._stub.GetQueue(request, timeout=timeout_seconds))

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

    async def pack_adapter(self, job_id: str, checkpoint: str) -> str:
        """The blob of the ZIP of an ended job's `last` or `best` adapter."""
        request = learner_pb2.PackAdapterRequest(
            job_id=job_id, checkpoint=to_checkpoint(checkpoint)
        )
        async with translate_errors():
            response = await self._stub.PackAdapter(request, timeout=_PACK_SECONDS)
        return str(response.digest)

    async def delete(self, job_id: str) -> None:
        """A job that has ended, and what hangs on it; one that is not there is deleted already."""
        async with translate_errors():
            await self._stub.DeleteJob(learner_pb2.DeleteJobRequest(job_id=job_id))

    async def preflight(
        self,
        settings: Mapping[str, Any],
        dataset_digest: str,
        evaluation_digest: str | None,
        adapter_digest: str | None,
        language: Language,
    ) -> dict[str, Any]:
        """What POST /train?dry_run=true answers, said in `language`."""
        spec = to_spec(settings, Blobs(dataset_digest, evaluation_digest, adapter_digest))
        request = learner_pb2.PreflightRequest(spec=spec)
        async with translate_errors():
            response = await self._stub.Preflight(request, timeout=_PREFLIGHT_SECONDS)
        return to_preflight(response, language)

    async def answer(
        self,
        image: bytes,
        question: str,
        job_id: str | None,
        settings: Mapping[str, Any],
        checkpoint: str = "last",
    ) -> dict[str, dict[str, Any] | None]:
        """What the base model and the job's adapter say; None for an adapter without a job."""
        request = learner_pb2.AnswerRequest(
            image=image,
            question=question,
            job_id=job_id or "",
            base_model=settings.get("model", ""),
            max_image_size=settings.get("max_image_size"),
            max_new_tokens=settings.get("max_new_tokens"),
            checkpoint=to_checkpoint(checkpoint),
        )
        async with translate_errors():
            return to_answers(await self._stub.Answer(request, timeout=_ANSWER_SECONDS))

    async def chat(self, question: ChatQuestion) -> ChatReply:
        """What the base model or the job's adapter says next."""
        request = to_chat_request(question)
        async with translate_errors():
            return to_chat_reply(await self._stub.Chat(request, timeout=_ANSWER_SECONDS))

    async def base_models(self) -> list[dict[str, Any]]:
        """As the model of gateway.jobs.base_models has them, but for which is the default."""
        async with translate_errors():
            return to_models(await self._stub.ListModels(learner_pb2.ListModelsRequest()))

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

    async def merge(self, job_id: str, checkpoint: str) -> AsyncIterator[bytes]:
        """The ZIP of the base model with an ended job's adapter in its weights, in pieces."""
        request = learner_pb2.MergeAdapterRequest(
            job_id=job_id, checkpoint=to_checkpoint(checkpoint)
        )
        async with translate_errors():
            call = self._stub.MergeAdapter(request, timeout=_MERGED_SECONDS)
            try:
                async for response in call:
                    yield response.data
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
