"""One prefill per prompt, then the completions of several prompts decoded as one batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tally.families.rotation import Rotation
from tally.sampling.engine import Completion, FinishReason, GenerationRequest
from tally.sampling.images import check_placeholders
from tally.sampling.model import LoadedModel
from tally.torch_engine.deepstack import Additions, join
from tally.torch_engine.ending import Ending
from tally.torch_engine.kv_cache import GroupCache, PromptCache, ReadPrompt
from tally.torch_engine.language_model import LanguageModel
from tally.torch_engine.prefixes import Prefixes
from tally.torch_engine.product import multiply
from tally.torch_engine.sampling import Sampler, chances
from tally.torch_engine.vision import VisionFeatures

Stopped = Callable[[], bool]

# Prompts of one pass: enough to fill the products, few enough to stay in a CPU's caches.
_PREFILL_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt ready for its pass: `embeds` [tokens, H], `positions` [axes, tokens]."""

    request: GenerationRequest
    embeds: Tensor
    positions: Tensor
    additions: Additions | None


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
        self._image_token_id = loaded.image_token_id
        self._positions = loaded.family.prompt_positions(loaded.model)
        self._position_axes = loaded.family.position_axes
        self._language_model = language_model
        self._head = loaded.head
        self._embed = loaded.model.get_input_embeddings()
        self._ending = Ending(loaded.stop_token_ids, loaded.family.closing_text, loaded.tokenizer)
        self._barred_V = torch.zeros(loaded.vocabulary_size, device=loaded.device)
        self._barred_V[list(loaded.barred_token_ids)] = -torch.inf

    def prompt(self, request: GenerationRequest, vision: VisionFeatures | None) -> Prompt:
        """Raises BadRequest where the prompt's placeholders are not the image's tokens."""
        ids = torch.tensor(request.prompt_token_ids)  # [prompt tokens]
        is_image = ids == self._image_token_id
        check_placeholders(int(is_image.sum()), 0 if vision is None else len(vision.features))
        positions = self._positions(request.prompt_token_ids, vision.size if vision else None)
        embeds, additions = self._embed(ids.to(self._device)), None
        if vision is not None:
            places = is_image.nonzero().squeeze(1).to(self._device)
            features = vision.features.to(embeds).unflatten(1, (-1, embeds.shape[1]))
            embeds[places] = features[:, 0]
            additions = Additions(places=places, layers=features[:, 1:].transpose(0, 1))
        return Prompt(request=request, embeds=embeds, positions=positions, additions=additions)

    def prefill(self, prompts: Sequence[Prompt]) -> list[Prefilled]:
        return [
            prefilled
            for together in _split_into_passes(prompts)
            for prefilled in self._prefill_pass(together)
        ]

    def _prefill_pass(self, prompts: Sequence[Prompt]) -> list[Prefilled]:
        lengths = [len(prompt.embeds) for prompt in prompts]
        hidden_P, caches = self._language_model.prefill(
            torch.cat([prompt.embeds for prompt in prompts]),
            torch.cat([prompt.positions for prompt in prompts], dim=-1).to(self._device),
            lengths,
            join([prompt.additions for prompt in prompts], lengths),
        )
        return [
            Prefilled(
                request=prompt.request,
                cache=cache,
                logits=logits,
                next_position=int(prompt.positions.max()) + 1,
            )
            for prompt, cache, logits in zip(prompts, caches, self._logits(hidden_P), strict=True)
        ]

    def take_up(self, request: GenerationRequest, read: ReadPrompt) -> Prefilled:
        """As `prefill`, of a prompt that somebody else has read."""
        return Prefilled(
            request=request,
            cache=read.cache,
            logits=self._logits(read.hidden),
            next_position=read.next_position,
        )

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
        """Tokens and log-probabilities, [rows, tokens] each, up to where each row ended."""
        request = prompts[0].request
        group, steps = request.num_completions, request.max_new_tokens
        sampler = Sampler(request.temperature, self._barred_V)
        chance_T_R = torch.cat(
            [chances(prompt.request.seed, steps, group) for prompt in prompts], dim=1
        )
        logits_N_V = torch.stack([prompt.logits for prompt in prompts])
        cache = GroupCache([prompt.cache for prompt in prompts])
        rotation = self._own_rotation(prompts, steps)
        rows, sampled = Prefixes(len(prompts), group, self._ending.has_come), _Sampled()
        for step in range(steps):
            tokens_R, logps_R = sampler.sample(
                logits_N_V,
                chance_T_R[step, rows.going].to(self._device),
                self._tensor(rows.places),
            )
            sampled.add(rows.going, logps_R)
            rows.add(tokens_R.tolist())
            _end_stopped(rows, stopped)
            if not rows.going or step == steps - 1:
                break
            tokens, move = rows.advance()
            if move:
                prompts_P = self._tensor(move.prompts)
                cache.keep(prompts_P, self._tensor(move.places))
                rotation = rotation[prompts_P]
            hidden = self._language_model.decode(
                self._embed(self._tensor(tokens)), rotation[:, :, step], cache
            )
            logits_N_V = self._logits(hidden)
        return rows.tokens, sampled.by_row(len(rows.tokens))

    def _logits(self, hidden: Tensor) -> Tensor:
        """[..., H] → [..., V]."""
        return multiply(hidden, self._head.weight, self._head.bias)

    def _tensor(self, numbers: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(numbers, device=self._device)

    def _own_rotation(self, prompts: Sequence[Prefilled], steps: int) -> Rotation:
        """Of every prompt's next `steps` tokens: [P, 1, steps, 1, head size]."""
        first_P = torch.tensor([prompt.next_position for prompt in prompts], device=self._device)
        positions = first_P.unsqueeze(1) + torch.arange(steps, device=self._device)
        positions = positions.expand(self._position_axes, -1, -1)
        rotation = self._language_model.rotation(positions, prompts[0].logits)
        return rotation[:, None, :, None]

    def _completion(
        self, tokens_T: list[int], logps_T: list[float], adapter_digest: str
    ) -> Completion:
        closed = self._ending.has_come(tokens_T)
        completion = Completion(
            token_ids=tuple(tokens_T),
            log_probabilities=tuple(logps_T),
            finish_reason=FinishReason.STOP if closed else FinishReason.LENGTH,
            adapter_digest=adapter_digest,
        )
        completion.check_finite()
        return completion


class _Sampled:
    """Log-probabilities of what was sampled, on the device until all are there."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._logps: list[Tensor] = []

    def add(self, rows: Sequence[int], logps_R: Tensor) -> None:
        self._rows += rows
        self._logps.append(logps_R)

    def by_row(self, rows: int) -> list[list[float]]:
        logps: list[list[float]] = [[] for _ in range(rows)]
        for row, logp in zip(self._rows, torch.cat(self._logps).tolist(), strict=True):
            logps[row].append(logp)
        return logps


def _end_stopped(rows: Prefixes, stopped: Sequence[Stopped]) -> None:
    for prompt, is_stopped in enumerate(stopped):
        if is_stopped():
            rows.end(prompt)


def _split_into_passes(prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
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
