"""Requests and completions as vLLM has them."""

import hashlib
from typing import Any

from PIL import Image
from vllm import SamplingParams, TokensPrompt
from vllm.outputs import CompletionOutput
from vllm.sampling_params import RequestOutputKind

from tally.host.bounded_cache import BoundedCache
from tally.sampling.engine import Completion, FinishReason, GenerationRequest, LocalBlob
from tally.sampling.images import check_placeholders, read_image
from tally.sampling.model import LoadedModel

_MOST_KNOWN_IMAGES = 100_000
_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class VllmPrompts:
    """Prompts as vLLM takes them: one placeholder an image, which vLLM repeats for its tokens.

    An image goes by its digest, so that vLLM preprocesses and encodes it once. Pixels are decoded
    only where vLLM has not seen the image, or keeps it no longer.
    """

    def __init__(self, outline: LoadedModel) -> None:
        self._grid = outline.grid
        self._placeholder = outline.image_token_id
        self._image_tokens = BoundedCache[str, int](_MOST_KNOWN_IMAGES)  # by digest

    def without_pixels(self, request: GenerationRequest) -> TokensPrompt | None:
        """None where the image is not known. Raises BadRequest as `with_pixels` does."""
        if request.image is None:
            check_placeholders(self._placeholders(request), 0)
            return TokensPrompt(prompt_token_ids=list(request.prompt_token_ids))
        if request.image.digest not in self._image_tokens:
            return None
        return self._prompt(request, request.image, None)

    def with_pixels(self, request: GenerationRequest, blob: LocalBlob) -> TokensPrompt:
        """Decodes the image; raises BadImage, and BadRequest for another count of placeholders."""
        image = read_image(blob.path, self._grid)
        self._image_tokens[blob.digest] = self._grid.tokens(image.width, image.height)
        return self._prompt(request, blob, image)

    def _prompt(
        self, request: GenerationRequest, blob: LocalBlob, image: Image.Image | None
    ) -> TokensPrompt:
        placeholders, token_ids = self._placeholders(request), list(request.prompt_token_ids)
        check_placeholders(placeholders, self._image_tokens[blob.digest])
        first = token_ids.index(self._placeholder)
        return TokensPrompt(
            prompt_token_ids=token_ids[: first + 1] + token_ids[first + placeholders :],
            multi_modal_data={"image": [image]},
            multi_modal_uuids={"image": [blob.digest]},
        )

    def _placeholders(self, request: GenerationRequest) -> int:
        return request.prompt_token_ids.count(self._placeholder)


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
        flat_logprobs=True,
        logit_bias=dict.fromkeys(outline.barred_token_ids, float("-inf")),
        stop_token_ids=list(outline.stop_token_ids),
        ignore_eos=True,  # a closing token is one of the above
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,  # nothing else holds them
    )


def _vllm_seed(seed: int | None) -> int | None:
    """vLLM gives completion i the seed + i: hashed, neighbouring seeds have no group in common."""
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "little") >> 2


def completion_of(output: CompletionOutput, adapter_digest: str) -> Completion:
    """Raises BadAdapter or Internal where the model has overflowed."""
    flat: Any = output.logprobs  # one for each token, the sampled one
    completion = Completion(
        token_ids=tuple(output.token_ids),
        log_probabilities=tuple(flat.logprobs),
        finish_reason=_FINISH_REASONS[output.finish_reason or ""],
        adapter_digest=adapter_digest,
    )
    completion.check_finite()
    return completion
