"""Between protobuf and the engine's own types; what a request promises is checked here."""

import math

from rollout_service.engine import Completion, FinishReason, ModelDescription
from rollout_service.errors import BadRequest
from rollout_service.settings import RolloutSettings
from tally.rollout.v1 import rollout_pb2
from tally.rpc.digests import check_digest

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
    _check_temperature(request.sampling.temperature, model)
    _check_prompt(request, model)


def _check_range(field: str, value: int, largest: int) -> None:
    if not 1 <= value <= largest:
        raise BadRequest(f"{field}: expected 1 to {largest}, got {value}")


def _check_temperature(temperature: float, model: ModelDescription) -> None:
    least, most = model.least_temperature, model.most_temperature
    if temperature == 0 or (math.isfinite(temperature) and least <= temperature <= most):
        return
    allowed = f"0, or {least:g} to {most:g}" if least else f"0 to {most:g}"
    raise BadRequest(f"sampling.temperature: expected {allowed}")


def _check_prompt(request: rollout_pb2.GenerateRequest, model: ModelDescription) -> None:
    token_ids = request.prompt_token_ids
    if not token_ids:
        raise BadRequest("prompt_token_ids: empty; expected at least one token")
    if max(token_ids) >= model.vocabulary_size:
        raise BadRequest(
            f"prompt_token_ids: {max(token_ids)} is outside the vocabulary of "
            f"{model.vocabulary_size} tokens"
        )
    total = len(token_ids) + request.sampling.max_new_tokens
    if total > model.max_sequence_tokens:
        raise BadRequest(
            f"prompt_token_ids and sampling.max_new_tokens: {total} tokens together; "
            f"expected at most {model.max_sequence_tokens}"
        )
    _check_placeholders(request, model)


def _check_placeholders(request: rollout_pb2.GenerateRequest, model: ModelDescription) -> None:
    token_ids = list(request.prompt_token_ids)
    if model.video_token_id in token_ids:
        raise BadRequest("prompt_token_ids: a video placeholder; this service takes images only")
    placeholders = token_ids.count(model.image_token_id)
    if not placeholders:
        return
    if not request.image_digest:
        raise BadRequest(
            f"prompt_token_ids: {placeholders} image placeholders, but image_digest is empty, "
            "which makes 0 image tokens"
        )
    first = token_ids.index(model.image_token_id)
    if any(one != model.image_token_id for one in token_ids[first : first + placeholders]):
        raise BadRequest("prompt_token_ids: the image placeholders must follow one another")


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
