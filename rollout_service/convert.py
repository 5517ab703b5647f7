"""Between protobuf and the engine's own types; what a request promises is checked here."""

from rollout_service.settings import RolloutSettings
from tally.rollout.v1 import rollout_pb2
from tally.rpc.digests import check_digest
from tally.sampling.engine import Completion, FinishReason, ModelDescription
from tally.sampling.errors import BadRequest
from tally.sampling.request_check import check_prompt, check_temperature

_FINISH_REASONS = {
    FinishReason.STOP: rollout_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: rollout_pb2.FINISH_REASON_LENGTH,
}


def check_request(
    request: rollout_pb2.GenerateRequest, model: ModelDescription, settings: RolloutSettings
) -> None:
    """Raises InvalidArgument, naming the field, for a request that no engine could answer."""
    if request.image_digest:
        check_digest(request.image_digest, "image_digest")
    if request.adapter_digest:
        check_digest(request.adapter_digest, "adapter_digest")
    _check_range("num_completions", request.num_completions, settings.max_completions)
    _check_range(
        "sampling.max_new_tokens", request.sampling.max_new_tokens, settings.max_new_tokens
    )
    check_temperature(request.sampling.temperature, model)
    check_prompt(
        request.prompt_token_ids,
        request.sampling.max_new_tokens,
        model,
        has_image=bool(request.image_digest),
    )


def _check_range(field: str, value: int, largest: int) -> None:
    if not 1 <= value <= largest:
        raise BadRequest(f"{field}: expected 1 to {largest}, got {value}")


def generate_response(completions: list[Completion], *, full: bool) -> rollout_pb2.GenerateResponse:
    return rollout_pb2.GenerateResponse(
        completions=[_completion(one) for one in completions], full=full
    )


def _completion(completion: Completion) -> rollout_pb2.Completion:
    return rollout_pb2.Completion(
        token_ids=completion.token_ids,
        log_probabilities=completion.log_probabilities,
        finish_reason=_FINISH_REASONS[completion.finish_reason],
        adapter_digest=completion.adapter_digest,
    )


def model_response(
    model: ModelDescription, settings: RolloutSettings
) -> rollout_pb2.GetModelResponse:
    return rollout_pb2.GetModelResponse(
        base_model=model.base_model,
        engine=model.engine,
        vocabulary_fingerprint=model.vocabulary_fingerprint,
        vocabulary_size=model.vocabulary_size,
        max_sequence_tokens=model.max_sequence_tokens,
        max_new_tokens=settings.max_new_tokens,
        max_completions=settings.max_completions,
        barred_token_ids=model.barred_token_ids,
        use_4bit=model.use_4bit,
        min_temperature=model.least_temperature,
        max_temperature=model.most_temperature,
    )
