"""rollout.v1 over an engine: checks a request, brings its blobs here, lets the engine sample."""

from contextlib import AsyncExitStack

import grpc

from rollout_service.admission import Admission
from rollout_service.blobs.blob_cache import BlobCache, Kind
from rollout_service.convert import check_request, generate_response, model_response
from rollout_service.errors import TooManyRequests
from rollout_service.metrics import RolloutMetrics
from rollout_service.settings import RolloutSettings
from rollout_service.turn_spans import trace_turn
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.rpc.deadlines import limit_time
from tally.sampling.engine import (
    Completion,
    Engine,
    GenerationRequest,
    LocalBlob,
    ModelDescription,
)
from tally.sampling.errors import EngineNotReady

SERVICE_NAME = rollout_pb2.DESCRIPTOR.services_by_name["RolloutService"].full_name
# gRPC's retries take a server's word for the pause; balancing makes the next try another replica's.
_TRY_ANOTHER_SOON = (("grpc-retry-pushback-ms", "10"),)


class RolloutServicer(rollout_pb2_grpc.RolloutServiceServicer):
    """Answers UNAVAILABLE until `load` has returned."""

    def __init__(self, settings: RolloutSettings, engine: Engine, blobs: BlobCache) -> None:
        self._settings = settings
        self._engine = engine
        self._blobs = blobs
        self._model: ModelDescription | None = None
        self._admission = Admission(settings)
        self.metrics = RolloutMetrics(engine, self._admission, blobs)

    async def load(self) -> None:
        self._model = await self._engine.load()

    async def Generate(
        self, request: rollout_pb2.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> rollout_pb2.GenerateResponse:
        check_request(request, self._description(), self._settings)
        try:
            with self._admission.admit(request.num_completions) as was_full:
                seconds = self._seconds_left(context)
                async with limit_time(seconds, f"the request took longer than {seconds:.1f} s"):
                    completions = await self._generate(request)
                return generate_response(completions, full=was_full())
        except TooManyRequests:
            context.set_trailing_metadata(_TRY_ANOTHER_SOON)
            raise

    async def GetModel(
        self, request: rollout_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> rollout_pb2.GetModelResponse:
        return model_response(self._description(), self._settings)

    def _description(self) -> ModelDescription:
        if self._model is None:
            raise EngineNotReady("the model is still loading")
        return self._model

    def _seconds_left(self, context: grpc.aio.ServicerContext) -> float:
        """Until the caller's deadline or the service's own, whichever comes first."""
        most, remaining = self._settings.request_timeout_seconds, context.time_remaining()
        return most if remaining is None else min(most, remaining)

    async def _generate(self, request: rollout_pb2.GenerateRequest) -> list[Completion]:
        sampling = request.sampling
        async with AsyncExitStack() as held:
            image = await self._hold(request.image_digest, "image", held)
            adapter = await self._hold(request.adapter_digest, "adapter", held)
            on_begin = held.enter_context(self.metrics.wait(request.num_completions))
            on_begin = held.enter_context(trace_turn(on_begin))
            completions = await self._engine.generate(
                GenerationRequest(
                    prompt_token_ids=tuple(request.prompt_token_ids),
                    num_completions=request.num_completions,
                    temperature=sampling.temperature,
                    max_new_tokens=sampling.max_new_tokens,
                    seed=sampling.seed if sampling.HasField("seed") else None,
                    image=image,
                    adapter=adapter,
                    on_begin=on_begin,
                )
            )
        self.metrics.note(completions)
        return completions

    async def _hold(self, digest: str, kind: Kind, held: AsyncExitStack) -> LocalBlob | None:
        if not digest:
            return None
        path = await held.enter_async_context(self._blobs.hold(digest, kind))
        return LocalBlob(digest=digest, path=path)
