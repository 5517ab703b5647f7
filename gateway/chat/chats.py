"""What a base model or a job's adapter says next in a conversation."""

import asyncio
import base64
import binascii
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from gateway.access.callers import Caller
from gateway.chat.chat_models import (
    ChatCompletion,
    ChatRequest,
    Choice,
    Model,
    Models,
    Said,
    Usage,
)
from gateway.chat_convert import ChatQuestion
from gateway.errors import Missing, Unprocessable
from gateway.http.bodies import MAX_PICTURE_BYTES
from gateway.ids import is_uuid
from gateway.jobs.base_models import BaseModels
from gateway.jobs.job_models import TRAINING, Checkpoint, Job
from gateway.jobs.jobs import Jobs
from gateway.learner_client import LearnerClient
from gateway.times import to_unix_seconds
from gateway.uploads.asked_pictures import AskedPictures
from tally.messages.message import Message

_PREFIX = "data:image/"
_OURS = "tally"
# After the job_id: its best adapter is meant, not its last one.
_BEST = ":best"


class _Adapter(NamedTuple):
    job: Job
    checkpoint: Checkpoint


class Chats:
    def __init__(
        self, jobs: Jobs, models: BaseModels, learner: LearnerClient, pictures: AskedPictures
    ) -> None:
        self._jobs = jobs
        self._models = models
        self._learner = learner
        self._pictures = pictures

    async def complete(self, request: ChatRequest, caller: Caller) -> ChatCompletion:
        """Raises ApiError or TallyError."""
        adapter = await self._find_adapter(request.model, caller)
        question = ChatQuestion(
            base_model="" if adapter else request.model,
            job_id=adapter.job.job_id if adapter else "",
            checkpoint=adapter.checkpoint if adapter else "last",
            messages=tuple(
                (message.role, message.text, bool(message.image_urls))
                for message in request.messages
            ),
            image=await self._image(request),
            temperature=request.temperature,
            seed=request.seed,
            max_new_tokens=request.most_tokens,
        )
        reply = await self._learner.chat(question)
        return ChatCompletion(
            id=f"chatcmpl-{uuid.uuid4().hex}",
            model=request.model,
            choices=[
                Choice(
                    message=Said(content=reply.text),
                    finish_reason="length" if reply.is_cut else "stop",
                )
            ],
            usage=Usage(
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.answer_tokens,
                total_tokens=reply.prompt_tokens + reply.answer_tokens,
            ),
        )

    async def models(self, caller: Caller) -> Models:
        """The base models, then the adapters of the caller's jobs that have completed, newest
        first."""
        bases = map(_base_model, await self._models.names())
        jobs, _ = await self._jobs.newest_first(caller.sees_only)
        completed = (job for job in jobs if job.status == "completed")
        return Models(data=[*bases, *(_model(one) for job in completed for one in _adapters(job))])

    async def model(self, name: str, caller: Caller) -> Model:
        """Raises Missing or Forbidden."""
        adapter = await self._find_adapter(name, caller)
        return _model(adapter) if adapter else _base_model(name)

    async def _find_adapter(self, model: str, caller: Caller) -> _Adapter | None:
        """The one that the model is; None for a base model. Raises Missing, Forbidden."""
        job_id = model.removesuffix(_BEST)
        if is_uuid(job_id):
            job = await self._jobs.get_for(caller, job_id)
            if job.kind == TRAINING:
                return _Adapter(job, "last" if job_id == model else "best")
        elif model in await self._models.names():
            return None
        raise Missing.at("model", Message("no_such_model"))

    async def _image(self, request: ChatRequest) -> bytes:
        """The picture, checked; empty where there is none. Raises Unprocessable, TooLarge."""
        found = [
            (f"messages.{place}.content.{number}.image_url.url", url)
            for place, message in enumerate(request.messages)
            for number, url in message.image_urls
        ]
        if not found:
            return b""
        if len(found) > 1:
            raise Unprocessable.at(found[1][0], Message("one_picture_at_most"))
        [(where, url)] = found
        # In a thread: 20 MB of base64 would hold up every other request.
        picture = await asyncio.to_thread(_decode, url, where)
        return await self._pictures.clean(picture, where)


def _decode(url: str, where: str) -> bytes:
    head, comma, data = url.partition(",")
    if not (head.lower().startswith(_PREFIX) and head.lower().endswith(";base64") and comma):
        raise Unprocessable.at(where, Message("no_data_url"))
    try:
        picture = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Unprocessable.at(where, Message("no_data_url")) from None
    if len(picture) > MAX_PICTURE_BYTES:
        raise Unprocessable.at(where, Message("too_many_bytes", most=MAX_PICTURE_BYTES))
    return picture


def _base_model(name: str) -> Model:
    return Model(id=name, created=0, owned_by=_OURS)


def _adapters(job: Job) -> Iterator[_Adapter]:
    """Those of a job that has completed."""
    yield _Adapter(job, "last")
    if job.best_step is not None:
        yield _Adapter(job, "best")


def _model(adapter: _Adapter) -> Model:
    job, checkpoint = adapter
    return Model(
        id=f"{job.job_id}{_BEST}" if checkpoint == "best" else job.job_id,
        created=to_unix_seconds(job.created_at),
        owned_by=job.owner or _OURS,
        job_name=job.job_name,
    )
