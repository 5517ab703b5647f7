"""rollout.v1 over an engine of the learner's own."""

import secrets

import grpc

from learner_service.clients.rollouts import Completion, Prompt, Sampling
from learner_service.inside.rollouts import InsideRollouts
from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1.rollout_pb2_grpc import (
    RolloutServiceServicer,
    add_RolloutServiceServicer_to_server,
)
from tally.rpc.digests import check_digest

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["RolloutService"].full_name


def serve_rollouts(rollouts: InsideRollouts, server: grpc.aio.Server) -> None:
    """Adds them to a server that has not started."""
    add_RolloutServiceServicer_to_server(EngineServicer(rollouts), server)


class EngineServicer(RolloutServiceServicer):
    """Its one caller is the service that started it, whose requests are within their limits."""

    def __init__(self, rollouts: InsideRollouts) -> None:
        self._rollouts = rollouts

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        model = await self._rollouts.model()
        return pb.GetModelResponse(
            base_model=model.base_model,
            engine=model.engine,
            vocabulary_fingerprint=model.vocabulary_fingerprint,
            vocabulary_size=model.vocabulary_size,
            max_sequence_tokens=model.max_sequence_tokens,
            barred_token_ids=model.barred_token_ids,
            use_4bit=model.use_4bit,
            min_temperature=model.min_temperature,
            max_temperature=model.max_temperature,
        )

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        for field in ("image_digest", "adapter_digest"):
            if digest := getattr(request, field):
                check_digest(digest, field)
        asked = request.sampling
        prompt = Prompt(
            token_ids=tuple(request.prompt_token_ids),
            image_digest=request.image_digest,
            seed=asked.seed if asked.HasField("seed") else secrets.randbits(62),
        )
        sampling = Sampling(
            num_completions=request.num_completions,
            temperature=asked.temperature,
            max_new_tokens=asked.max_new_tokens,
        )
        [group] = await self._rollouts.generate([prompt], request.adapter_digest, sampling)
        return pb.GenerateResponse(completions=map(_to_message, group))


def _to_message(completion: Completion) -> pb.Completion:
    cut, stopped = pb.FINISH_REASON_LENGTH, pb.FINISH_REASON_STOP
    return pb.Completion(
        token_ids=completion.token_ids,
        log_probabilities=completion.log_probabilities,
        finish_reason=cut if completion.is_cut else stopped,
        adapter_digest=completion.adapter_digest,
    )
