"""What a prompt and a temperature must be, for any engine to answer them."""

import math
from collections.abc import Sequence

from tally.sampling.engine import ModelDescription
from tally.sampling.errors import BadRequest


def check_temperature(temperature: float, model: ModelDescription) -> None:
    """Raises BadRequest."""
    least, most = model.least_temperature, model.most_temperature
    if temperature == 0 or (math.isfinite(temperature) and least <= temperature <= most):
        return
    allowed = f"0, or {least:g} to {most:g}" if least else f"0 to {most:g}"
    raise BadRequest(f"sampling.temperature: expected {allowed}")


def check_prompt(
    token_ids: Sequence[int], max_new_tokens: int, model: ModelDescription, *, has_image: bool
) -> None:
    """Raises BadRequest for one that is empty, too long, or has tokens that the model has not."""
    if not token_ids:
        raise BadRequest("prompt_token_ids: empty; expected at least one token")
    if max(token_ids) >= model.vocabulary_size:
        raise BadRequest(
            f"prompt_token_ids: {max(token_ids)} is outside the vocabulary of "
            f"{model.vocabulary_size} tokens"
        )
    total = len(token_ids) + max_new_tokens
    if total > model.max_sequence_tokens:
        raise BadRequest(
            f"prompt_token_ids and sampling.max_new_tokens: {total} tokens together; "
            f"expected at most {model.max_sequence_tokens}"
        )
    _check_placeholders(list(token_ids), model, has_image=has_image)


def _check_placeholders(token_ids: list[int], model: ModelDescription, *, has_image: bool) -> None:
    if model.video_token_id in token_ids:
        raise BadRequest("prompt_token_ids: a video placeholder; this service takes images only")
    placeholders = token_ids.count(model.image_token_id)
    if not placeholders:
        return
    if not has_image:
        raise BadRequest(
            f"prompt_token_ids: {placeholders} image placeholders, but image_digest is empty, "
            "which makes 0 image tokens"
        )
    first = token_ids.index(model.image_token_id)
    if any(one != model.image_token_id for one in token_ids[first : first + placeholders]):
        raise BadRequest("prompt_token_ids: the image placeholders must follow one another")
