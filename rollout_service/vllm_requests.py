"""Requests and completions as vLLM has them."""

import hashlib
from typing import Any

from vllm import SamplingParams, TokensPrompt
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind

from rollout_service.engine import Completion, FinishReason, GenerationRequest
from rollout_service.images import check_placeholders, image_token_count, read_image
from rollout_service.model_family import LoadedModel
from rollout_service.sampling import check_finite

_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


def vllm_prompt(request: GenerationRequest, outline: LoadedModel) -> TokensPrompt:
    """vLLM wants one placeholder for an image, and puts as many as the image has tokens there.

    The image goes by its digest, so that vLLM preprocesses and encodes it once. Raises BadImage,
    and BadRequest where the placeholders are not the image's tokens.
    """
    placeholder = outline.model.config.image_token_id
    token_ids = list(request.prompt_token_ids)
    placeholders = token_ids.count(placeholder)
    if request.image is None:
        check_placeholders(placeholders, 0)
        return TokensPrompt(prompt_token_ids=token_ids)
    image = read_image(request.image.path, outline.image_processor)
    check_placeholders(placeholders, image_token_count(image, outline.image_processor))
    first = token_ids.index(placeholder)
    return TokensPrompt(
        prompt_token_ids=token_ids[: first + 1] + token_ids[first + placeholders :],
        multi_modal_data={"image": [image]},
        multi_modal_uuids={"image": [request.image.digest]},
    )


def sampling_parameters(request: GenerationRequest, outline: LoadedModel) -> SamplingParams:
    """The barred tokens get a bias of -inf, which vLLM adds before it divides by the temperature.

    So its processed log-probabilities are over what may be sampled. Greedy ones are at
    temperature 1, and all completions are one: vLLM refuses to sample it twice.
    """
    greedy = request.temperature == 0
    return SamplingParams(
        n=1 if greedy else request.num_completions,
        temperature=request.temperature,
        max_tokens=request.max_new_tokens,
        seed=None if greedy else _vllm_seed(request.seed),
        logprobs=0,  # of the sampled token alone
        logit_bias=dict.fromkeys(outline.barred_token_ids, float("-inf")),
        stop_token_ids=list(outline.stop_token_ids),
        ignore_eos=True,  # a closing token is one of the above
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _vllm_seed(seed: int | None) -> int | None:
    """vLLM gives completion i the seed + i: hashed, neighbouring seeds have no group in common."""
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "little") >> 2


def completion(output: CompletionOutput, adapter_digest: str) -> Completion:
    """Raises BadAdapter or Internal where the model has overflowed."""
    token_ids = tuple(output.token_ids)
    steps: Any = output.logprobs
    logps_T = tuple(steps[step][token_id].logprob for step, token_id in enumerate(token_ids))
    check_finite(logps_T, adapter_digest)
    return Completion(
        token_ids=token_ids,
        log_probabilities=logps_T,
        finish_reason=_FINISH_REASONS[output.finish_reason or ""],
        adapter_digest=adapter_digest,
    )
