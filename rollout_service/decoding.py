"""One prefill per prompt, then the completions of several prompts decoded as one batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rollout_service.engine import Completion, FinishReason, GenerationRequest
from rollout_service.images import check_placeholders
from rollout_service.kv_cache import GroupCache, PromptCache
from rollout_service.model_family import LoadedModel
from rollout_service.sampling import Sampler, check_finite
from rollout_service.vision_features import VisionFeatures

Stopped = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Prefilled:
    """A prompt after its one pass: cache, `logits` [V] of the next token, and its position."""

    request: GenerationRequest
    cache: PromptCache
    logits: Tensor
    next_position: int


class Decoder:
    """Runs the language model of `loaded`; every call must come from one thread."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._device = loaded.device
        self._image_token_id = loaded.model.config.image_token_id
        self._model = loaded.model.model
        self._lm_head = loaded.model.lm_head
        self._embed = loaded.model.get_input_embeddings()
        self._layer_types = set(self._model.language_model.config.layer_types)
        self._stop_ids = frozenset(loaded.stop_token_ids)
        self._stop_V = torch.zeros(loaded.vocabulary_size, dtype=torch.bool, device=loaded.device)
        self._stop_V[list(loaded.stop_token_ids)] = True
        self._barred_V = torch.zeros(loaded.vocabulary_size, device=loaded.device)
        self._barred_V[list(loaded.barred_token_ids)] = -torch.inf

    def prefill(self, request: GenerationRequest, vision: VisionFeatures | None) -> Prefilled:
        """Raises BadRequest where the prompt's placeholders are not the image's tokens."""
        ids_P = torch.tensor([request.prompt_token_ids])  # [1, prompt tokens]
        is_image_P = ids_P == self._image_token_id
        check_placeholders(int(is_image_P.sum()), 0 if vision is None else len(vision.features))
        positions, _ = self._model.get_rope_index(
            ids_P,
            mm_token_type_ids=is_image_P.int(),
            image_grid_thw=None if vision is None else vision.grid_thw,
        )  # [3, 1, prompt tokens]
        embeds = self._embed(ids_P.to(self._device))
        if vision is not None:
            mask = is_image_P.unsqueeze(-1).to(self._device)
            embeds = embeds.masked_scatter(mask, vision.features.to(embeds.dtype))
        cache = PromptCache()
        hidden = self._forward(embeds, positions.to(self._device), cache, None)
        return Prefilled(
            request=request,
            cache=cache,
            logits=self._lm_head(hidden[0, -1]),
            next_position=int(positions.max()) + 1,
        )

    def decode(
        self, prompts: Sequence[Prefilled], stopped: Sequence[Stopped]
    ) -> list[list[Completion]]:
        """Completions of each prompt's request; all requests sample alike but for their seeds.

        `stopped` says of each request, between tokens, whether nobody waits for it any more;
        what it gets then is of no use.
        """
        requests = [prompt.request for prompt in prompts]
        rows = [request.num_completions for request in requests]
        tokens_R_T, logps_R_T = self._decode_rows(prompts, rows, stopped)
        completions = [
            self._completion(tokens, logps, requests[0].adapter_digest)
            for tokens, logps in zip(tokens_R_T, logps_R_T, strict=True)
        ]
        ends = torch.tensor(rows).cumsum(0).tolist()
        return [completions[end - n : end] for end, n in zip(ends, rows, strict=True)]

    def _decode_rows(
        self, prompts: Sequence[Prefilled], rows: list[int], stopped: Sequence[Stopped]
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens and log-probabilities, [rows, tokens] each; nothing counts after a stop."""
        first = prompts[0].request
        repeats = torch.tensor(rows, device=self._device)
        cache = GroupCache([prompt.cache for prompt in prompts], rows)
        sampler = Sampler(
            first.temperature, rows, [prompt.request.seed for prompt in prompts], self._barred_V
        )
        logits_R_V = torch.stack([p.logits for p in prompts]).repeat_interleave(repeats, dim=0)
        position_R = torch.tensor([p.next_position for p in prompts], device=self._device)
        position_R = position_R.repeat_interleave(repeats).view(1, -1, 1).expand(3, -1, 1)
        ended_R = torch.zeros(sum(rows), dtype=torch.bool, device=self._device)
        tokens_T, logps_T = [], []
        for step in range(first.max_new_tokens):
            if step:
                logits_R_V = self._next_logits(tokens_T[-1], position_R + (step - 1), cache)
            tokens_R, logps_R = sampler.sample(logits_R_V)
            tokens_T.append(tokens_R)
            logps_T.append(logps_R)
            ended_R |= self._stop_V[tokens_R]
            _end_stopped(ended_R, rows, stopped)
            if ended_R.all():
                break
        return torch.stack(tokens_T, 1).tolist(), torch.stack(logps_T, 1).tolist()

    def _next_logits(self, tokens_R: Tensor, position_R: Tensor, cache: GroupCache) -> Tensor:
        embeds = self._embed(tokens_R.unsqueeze(1))  # [rows, 1, H]
        hidden = self._forward(embeds, position_R, cache, cache.mask())
        cache.length += 1
        return self._lm_head(hidden[:, 0])

    def _forward(
        self,
        embeds: Tensor,
        positions: Tensor,
        cache: PromptCache | GroupCache,
        mask: Tensor | None,
    ) -> Tensor:
        """Last hidden states. A ready mask for each kind of layer spares making them anew."""
        output = self._model.language_model(
            inputs_embeds=embeds,
            position_ids=positions,
            attention_mask=dict.fromkeys(self._layer_types, mask),
            past_key_values=cache,
            use_cache=True,
        )
        return output.last_hidden_state

    def _completion(
        self, tokens_T: list[int], logps_T: list[float], adapter_digest: str
    ) -> Completion:
        closing = next((i for i, token in enumerate(tokens_T) if token in self._stop_ids), None)
        length = len(tokens_T) if closing is None else closing + 1
        check_finite(logps_T[:length], adapter_digest)
        return Completion(
            token_ids=tuple(tokens_T[:length]),
            log_probabilities=tuple(logps_T[:length]),
            finish_reason=FinishReason.LENGTH if closing is None else FinishReason.STOP,
            adapter_digest=adapter_digest,
        )


def _end_stopped(ended_R: Tensor, rows: list[int], stopped: Sequence[Stopped]) -> None:
    first = 0
    for n, is_stopped in zip(rows, stopped, strict=True):
        if is_stopped():
            ended_R[first : first + n] = True
        first += n
