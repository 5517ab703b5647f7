"""learner.v1 over the jobs."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import grpc

from learner_service.convert import (
    answer_response,
    event_to_proto,
    job_to_proto,
    limits_of,
    preflight_response,
    spec_from_proto,
)
from learner_service.interactive import Interactive
from learner_service.job_folder.log_end import DEFAULT_LINES, last_lines
from learner_service.prediction.question import Question, last_adapter
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.spec import Limits, Training
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.errors import InvalidArgument


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    def __init__(self, jobs: Jobs, interactive: Interactive) -> None:
        self._jobs = jobs
        self._interactive = interactive

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

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=self._message(await self._jobs.cancel(request.job_id)))

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

    async def Answer(
        self, request: pb.AnswerRequest, context: grpc.aio.ServicerContext
    ) -> pb.AnswerResponse:
        answers = await self._interactive.answer(await self._question(request))
        return answer_response(answers)

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
        """The request with what it leaves out: the job's settings, or the defaults."""
        job = await self._jobs.get(request.job_id) if request.job_id else None
        base_model = job.spec.base_model if job else self._jobs.default_model
        if job and request.base_model not in ("", base_model):
            raise InvalidArgument(f"base_model: the job's is {base_model}; leave it out")
        limits = limits_of(request, job.spec.work.limits if job else Limits())
        return Question(
            base_model=request.base_model or base_model,
            adapter_digest=last_adapter(self._jobs.folder(job.job_id).adapters) if job else "",
            image=request.image,
            text=request.question,
            max_image_size=limits.max_image_size,
            max_new_tokens=limits.max_new_tokens,
        )

    def _message(self, job: Job) -> pb.Job:
        return job_to_proto(job, str(self._jobs.folder(job.job_id).output))


def _check_id(job_id: str) -> str:
    """Only the usual form of a UUID, since the id names a folder."""
    try:
        if str(uuid.UUID(job_id)) == job_id:
            return job_id
    except ValueError:
        pass
    raise InvalidArgument("job_id: expected a UUID in lower case with hyphens")
