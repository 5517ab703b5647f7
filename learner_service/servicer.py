"""learner.v1 over the jobs."""

import uuid
from collections.abc import AsyncIterator

import grpc

from learner_service.convert import event_to_proto, job_to_proto, spec_from_proto
from learner_service.job_store import Job
from learner_service.jobs import Jobs
from rpc.errors import InvalidArgument
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc


class LearnerServicer(learner_pb2_grpc.LearnerServiceServicer):
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def StartJob(
        self, request: pb.StartJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.StartJobResponse:
        spec = spec_from_proto(request.spec)
        job = await self._jobs.start(_checked_id(request.job_id), spec)
        return pb.StartJobResponse(job=self._message(job))

    async def GetJob(
        self, request: pb.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=self._message(self._jobs.get(request.job_id)))

    async def ListJobs(
        self, request: pb.ListJobsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListJobsResponse:
        return pb.ListJobsResponse(jobs=[self._message(job) for job in self._jobs.all()])

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=self._message(await self._jobs.cancel(request.job_id)))

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.WatchJobResponse]:
        async for event in self._jobs.watch(request.job_id, request.after_seq):
            yield pb.WatchJobResponse(event=event_to_proto(event))

    def _message(self, job: Job) -> pb.Job:
        return job_to_proto(job, str(self._jobs.folder(job.job_id) / "output"))


def _checked_id(job_id: str) -> str:
    """Only the usual form of a UUID, since the id names a folder."""
    try:
        if str(uuid.UUID(job_id)) == job_id:
            return job_id
    except ValueError:
        pass
    raise InvalidArgument("job_id: expected a UUID in lower case with hyphens")
