"""One prefill per prompt, then the completions of several prompts decoded as one batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rollout_service.engine import Completion, FinishReason, GenerationRequest
from rollout_service.images import check_placeholders
from rollout_service.kv_cache import GroupCache, PromptCache
from rollout_service.language_model import LanguageModel, Rotation
from rollout_service.model_family import LoadedModel
from rollout_service.sampling import Sampler, chances, check_finite
from rollout_service.vision_features import VisionFeatures

Stopped = Callable[[], bool]

# Prompts of one pass: enough to fill the products, few enough to stay in a CPU's caches.
_PREFILL_TOKENS = 512
# Dropping rows copies their own keys and values: worth it for a part of them, not for each.
_SHRINK_BELOW = 0.8


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt ready for its pass: `embeds` [tokens, H], M-RoPE `positions` [3, 1, tokens]."""

    request: GenerationRequest
    embeds: Tensor
    positions: Tensor


@dataclass(frozen=True, kw_only=True)
class Prefilled:
    """A prompt after its one pass: cache, `logits` [V] of the next token, and its position."""

    request: GenerationRequest
    cache: PromptCache
    logits: Tensor
    next_position: int


class Decoder:
    """Samples from `language_model`; every call must come from one thread."""

    def __init__(self, loaded: LoadedModel, language_model: LanguageModel) -> None:
        self._device = loaded.device
        self._image_token_id = loaded.model.config.image_token_id
        self._rope_index = loaded.model.model.get_rope_index
        self._language_model = language_model
        self._lm_head = loaded.model.lm_head
        self._embed = loaded.model.get_input_embeddings()
        self._stop_ids = frozenset(loaded.stop_token_ids)
        self._stop_V = torch.zeros(loaded.vocabulary_size, dtype=torch.bool, device=loaded.device)
        self._stop_V[list(loaded.stop_token_ids)] = True
        self._barred_V = torch.zeros(loaded.vocabulary_size, device=loaded.device)
        self._barred_V[list(loaded.barred_token_ids)] = -torch.inf

    def prompt(self, request: GenerationRequest, vision: VisionFeatures | None) -> Prompt:
        """Raises BadRequest where the prompt's placeholders are not the image's tokens."""
        ids_P = torch.tensor([request.prompt_token_ids])  # [1, prompt tokens]
        is_image_P = ids_P == self._image_token_id
        check_placeholders(int(is_image_P.sum()), 0 if vision is None else len(vision.features))
        positions, _ = self._rope_index(
            ids_P,
            mm_token_type_ids=is_image_P.int(),
            image_grid_thw=None if vision is None else vision.grid_thw,
        )
        embeds = self._embed(ids_P[0].to(self._device))
        if vision is not None:
            embeds[is_image_P[0].to(self._device)] = vision.features.to(embeds.dtype)
        return Prompt(request=request, embeds=embeds, positions=positions)

    def prefill(self, prompts: Sequence[Prompt]) -> list[Prefilled]:
        return [
            prefilled for together in _in_passes(prompts) for prefilled in self._passed(together)
        ]

    def _passed(self, prompts: Sequence[Prompt]) -> list[Prefilled]:
        hidden_P, caches = self._language_model.prefill(
            torch.cat([prompt.embeds for prompt in prompts]),
            torch.cat([prompt.positions for prompt in prompts], dim=-1).to(self._device),
            [len(prompt.embeds) for prompt in prompts],
        )
        return [
            Prefilled(
                request=prompt.request,
                cache=cache,
                logits=logits,
                next_position=int(prompt.positions.max()) + 1,
            )
            for prompt, cache, logits in zip(prompts, caches, self._lm_head(hidden_P), strict=True)
        ]

    def decode(
        self, prompts: Sequence[Prefilled], stopped: Sequence[Stopped]
    ) -> list[list[Completion]]:
        """Completions of each prompt's request; all requests are alike but for their seeds.

        `stopped` says of each request, between tokens, whether nobody waits for it any more;
        what it gets then is of no use.
        """
        request = prompts[0].request
        tokens_R_T, logps_R_T = self._decode_rows(prompts, stopped)
        completions = [
            self._completion(tokens, logps, request.adapter_digest)
            for tokens, logps in zip(tokens_R_T, logps_R_T, strict=True)
        ]
        group = request.num_completions
        return [completions[i : i + group] for i in range(0, len(completions), group)]

    def _decode_rows(
        self, prompts: Sequence[Prefilled], stopped: Sequence[Stopped]
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Tokens and log-probabilities, [rows, tokens] each; nothing counts after a stop."""
        request = prompts[0].request
        group, steps = request.num_completions, request.max_new_tokens
        sampler = Sampler(request.temperature, self._barred_V)
        chance_T_R = torch.cat(
            [chances(prompt.request.seed, steps, group) for prompt in prompts], dim=1
        ).to(self._device)
        logits_R_V = torch.stack([p.logits for p in prompts]).repeat_interleave(group, dim=0)
        cache = GroupCache([prompt.cache for prompt in prompts], group)
        rotation = self._own_rotation(prompts, steps)
        rows = _Rows(len(prompts), group, steps, self._device)
        for step in range(steps):
            tokens_R, logps_R = sampler.sample(logits_R_V, chance_T_R[step, rows.held])
            rows.add(step, tokens_R, logps_R, ended_R=self._stop_V[tokens_R])
            rows.end_stopped(stopped)
            if rows.all_ended() or step == steps - 1:
                break
            if kept := rows.shrink():
                cache.keep(*kept)
                rotation = rotation.of(kept[0])
            hidden = self._language_model.decode(
                self._embed(rows.tokens_R_T[rows.held, step]), rotation.at(step), cache
            )
            logits_R_V = self._lm_head(hidden)
        return rows.tokens_R_T[:, : step + 1].tolist(), rows.logps_R_T[:, : step + 1].tolist()

    def _own_rotation(self, prompts: Sequence[Prefilled], steps: int) -> Rotation:
        """Of every prompt's next `steps` tokens: [P, 1, steps, 1, head size]."""
        first_P = torch.tensor([prompt.next_position for prompt in prompts], device=self._device)
        positions = first_P.unsqueeze(1) + torch.arange(steps, device=self._device)
        rotation = self._language_model.rotation(positions.expand(3, -1, -1), prompts[0].logits)
        return Rotation(cos=rotation.cos[:, None, :, None], sin=rotation.sin[:, None, :, None])

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


class _Rows:
    """What every row has sampled, and which rows, P × G of them by prompt, are still `held`.

    Rows that have ended are dropped once enough of them have; a prompt whose others go on may
    hold some for a while. What an ended row samples counts for nothing.
    """

    def __init__(self, prompts: int, group: int, steps: int, device: torch.device) -> None:
        rows = prompts * group
        self.tokens_R_T = torch.zeros((rows, steps), dtype=torch.long, device=device)
        self.logps_R_T = torch.zeros((rows, steps), device=device)
        self.held = torch.arange(rows, device=device)
        self._group = group
        self._held_group = group
        self._ended_R = torch.zeros(rows, dtype=torch.bool, device=device)

    def add(self, step: int, tokens_R: Tensor, logps_R: Tensor, *, ended_R: Tensor) -> None:
        """A token of every held row."""
        self.tokens_R_T[self.held, step] = tokens_R
        self.logps_R_T[self.held, step] = logps_R
        self._ended_R[self.held] |= ended_R

    def end_stopped(self, stopped: Sequence[Stopped]) -> None:
        for rows, is_stopped in zip(self._ended_R.split(self._group), stopped, strict=True):
            if is_stopped():
                rows.fill_(True)

    def all_ended(self) -> bool:
        return bool(self._ended_R.all())

    def shrink(self) -> tuple[Tensor, Tensor] | None:
        """Drops what has ended, where that is a good part: → the prompts kept, by their number
        among those held so far, and the rows kept of each group."""
        ended_P_G = self._ended_R[self.held].view(-1, self._held_group)
        going_P = (~ended_P_G).sum(1)
        prompts_P = going_P.nonzero().squeeze(1)
        group = int(going_P.max())
        if len(prompts_P) * group > _SHRINK_BELOW * len(self.held):
            return None
        rows_P_G = ended_P_G[prompts_P].int().argsort(dim=1, stable=True)[:, :group]
        first_P = (prompts_P * self._held_group).unsqueeze(1)
        self.held = self.held[(first_P + rows_P_G).flatten()]
        self._held_group = group
        return prompts_P, rows_P_G


def _in_passes(prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
    """In order, together as far as `_PREFILL_TOKENS` reach."""
    together: list[Prompt] = []
    for prompt in prompts:
        tokens = sum(len(one.embeds) for one in (*together, prompt))
        if together and tokens > _PREFILL_TOKENS:
            yield together
            together = []
        together.append(prompt)
    if together:
        yield together
