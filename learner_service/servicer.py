"""learner.v1 over the jobs."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator
from typing import NamedTuple

import grpc

from learner_service.convert import (
    event_to_proto,
    job_to_proto,
    limits_of,
    place_to_proto,
    spec_from_proto,
    which_adapter,
)
from learner_service.interactive import Interactive
from learner_service.job_folder.log_end import DEFAULT_LINES, last_lines
from learner_service.merged_models import MergedModels
from learner_service.models import BaseModel
from learner_service.prediction.conversation import Conversation
from learner_service.prediction.convert import answer_response, chat_response, turns_from_proto
from learner_service.prediction.question import Question, last_adapter
from learner_service.preflight.convert import preflight_response
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.queue.packed_adapters import Which
from learner_service.spec import Limits, Training
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.errors import InvalidArgument


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    def __init__(self, jobs: Jobs, interactive: Interactive, merged: MergedModels) -> None:
        self._jobs = jobs
        self._interactive = interactive
        self._merged = merged

    async def StartJob(
        self, request: pb.StartJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.StartJobResponse:
        spec = spec_from_proto(request.spec)
        job = await self._jobs.start(_check_id(request.job_id), spec)
        return pb.StartJobResponse(job=self._message(job))

    async def GetJob(
        self, request: pb.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=self._message(await self._jobs.get(request.job_id)))

    async def ListJobs(
        self, request: pb.ListJobsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListJobsResponse:
        return pb.ListJobsResponse(jobs=[self._message(job) for job in await self._jobs.all()])

    async def GetQueue(
        self, request: pb.GetQueueRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetQueueResponse:
        return pb.GetQueueResponse(jobs=map(place_to_proto, await self._jobs.places()))

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=self._message(await self._jobs.cancel(request.job_id)))

    async def PackAdapter(
        self, request: pb.PackAdapterRequest, context: grpc.aio.ServicerContext
    ) -> pb.PackAdapterResponse:
        packed = await self._jobs.pack_adapter(request.job_id, which_adapter(request.checkpoint))
        return pb.PackAdapterResponse(digest=packed.digest, step=packed.step)

    async def DeleteJob(
        self, request: pb.DeleteJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.DeleteJobResponse:
        return pb.DeleteJobResponse(deleted=await self._jobs.delete(_check_id(request.job_id)))

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.WatchJobResponse]:
        async for event in self._jobs.watch(request.job_id, request.after_seq):
            yield pb.WatchJobResponse(event=event_to_proto(event))

    async def GetJobLog(
        self, request: pb.GetJobLogRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetJobLogResponse:
        job = await self._jobs.get(request.job_id)
        most = request.max_lines if request.HasField("max_lines") else DEFAULT_LINES
        path = self._jobs.folder(job.job_id).worker_log
        return pb.GetJobLogResponse(text=await asyncio.to_thread(last_lines, path, most))

    async def MergeAdapter(
        self, request: pb.MergeAdapterRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.MergeAdapterResponse]:
        job = await self._jobs.get(request.job_id)
        which = which_adapter(request.checkpoint)
        adapter = await asyncio.to_thread(self._jobs.adapters.find, job, which)
        async for data in self._merged.send(job.spec, self._jobs.folder(job.job_id), adapter):
            yield pb.MergeAdapterResponse(data=data)

    async def Answer(
        self, request: pb.AnswerRequest, context: grpc.aio.ServicerContext
    ) -> pb.AnswerResponse:
        answers = await self._interactive.answer(await self._question(request))
        return answer_response(answers)

    async def Chat(
        self, request: pb.ChatRequest, context: grpc.aio.ServicerContext
    ) -> pb.ChatResponse:
        return chat_response(await self._interactive.reply(await self._conversation(request)))

    async def ListModels(
        self, request: pb.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListModelsResponse:
        models = await asyncio.to_thread(self._jobs.models.describe)
        return pb.ListModelsResponse(models=map(_model_message, models))

    async def Preflight(
        self, request: pb.PreflightRequest, context: grpc.aio.ServicerContext
    ) -> pb.PreflightResponse:
        spec = await self._jobs.check_startable(spec_from_proto(request.spec))
        if not isinstance(spec.work, Training):
            raise InvalidArgument("spec: only a job that trains has a preflight; expected train")
        earlier_steps = await self._jobs.earlier_steps(spec.base_model)
        result = await self._interactive.preflight(spec, spec.work, earlier_steps)
        return preflight_response(result)

    async def _question(self, request: pb.AnswerRequest) -> Question:
        asked = await self._find_asked(request)
        return Question(
            base_model=asked.base_model,
            adapter_digest=asked.adapter_digest,
            image=request.image,
            text=request.question,
            prompt=asked.prompt,
            max_image_size=asked.limits.max_image_size,
            max_new_tokens=asked.limits.max_new_tokens,
        )

    async def _conversation(self, request: pb.ChatRequest) -> Conversation:
        asked = await self._find_asked(request)
        return Conversation(
            base_model=asked.base_model,
            adapter_digest=asked.adapter_digest,
            turns=turns_from_proto(request.messages),
            prompt=asked.prompt,
            image=request.image,
            temperature=request.temperature,
            seed=request.seed if request.HasField("seed") else secrets.randbits(63),
            max_image_size=asked.limits.max_image_size,
            max_new_tokens=asked.limits.max_new_tokens,
        )

    async def _find_asked(self, request: pb.AnswerRequest | pb.ChatRequest) -> "_Asked":
        """With what the request leaves out: the job's settings, or the defaults."""
        which = which_adapter(request.checkpoint)
        job = await self._jobs.get(request.job_id) if request.job_id else None
        base_model = job.spec.base_model if job else self._jobs.models.default
        if job and request.base_model not in ("", base_model):
            raise InvalidArgument(f"base_model: the job's is {base_model}; leave it out")
        return _Asked(
            base_model=request.base_model or base_model,
            adapter_digest=await self._adapter_of(job, which) if job else "",
            prompt=job.spec.work.prompt if job else PLAIN,
            limits=limits_of(request, job.spec.work.limits if job else Limits()),
        )

    async def _adapter_of(self, job: Job, which: Which) -> str:
        """The digest of the one that answers; the last one may be of a job that trains still."""
        if which is Which.LAST:
            return last_adapter(self._jobs.folder(job.job_id).adapters)
        return await asyncio.to_thread(self._jobs.adapters.publish, job, which)

    def _message(self, job: Job) -> pb.Job:
        return job_to_proto(job, str(self._jobs.folder(job.job_id).output))


class _Asked(NamedTuple):
    """Who is asked, how, and within which limits; an empty digest for the base model alone."""

    base_model: str
    adapter_digest: str
    prompt: PromptTemplate
    limits: Limits


def _check_id(job_id: str) -> str:
    """Only the usual form of a UUID, since the id names a folder."""
    try:
        if str(uuid.UUID(job_id)) == job_id:
            return job_id
    except ValueError:
        pass
    raise InvalidArgument("job_id: expected a UUID in lower case with hyphens")


def _model_message(model: BaseModel) -> pb.BaseModel:
    message = pb.BaseModel(
        name=model.name, family=model.family or "", parameters=model.parameters or 0
    )
    if licence := model.licence:
        message.licence.title = licence.title
        message.licence.link = licence.link
        message.licence.identifier = licence.identifier
        message.licence.is_for_research_only = licence.is_for_research_only
    return message
