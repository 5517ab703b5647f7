"""Hidden states to log-probabilities of chosen tokens, without holding all logits at once.

A vocabulary of 150,000 makes a float32 row of logits 0.6 MB, and autograd would keep several
copies of each. Here positions go through the head in chunks, forward and again backward, so that
memory is one chunk whatever the number of tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_LOGITS_PER_CHUNK = 2**24  # 64 MiB in float32


@dataclass(frozen=True, kw_only=True)
class TokenLogps:
    """Per completion token, [N, T]: log-probability of the sampled one, entropy of all of them."""

    logps: Tensor
    entropies: Tensor


@dataclass(frozen=True, kw_only=True)
class Choices:
    """M tokens, ordered by which of the K predicting positions predicts them.

    A position may predict several: the last of a prompt predicts each completion's first token.
    """

    places: Tensor  # [M] in 0…K-1, ascending
    token_ids: Tensor  # [M]
    order: Tensor  # [M]: where each was among the tokens that `choices` was given

    def to(self, device: torch.device) -> "Choices":
        return Choices(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def choices(sources: Tensor, token_ids: Tensor) -> Choices:
    """sources, token_ids: [M], the position that predicts each token, and the token."""
    places = sources.unique(return_inverse=True)[1]
    order = places.argsort(stable=True)
    return Choices(places=places[order], token_ids=token_ids[order], order=order)


def score(
    hidden_K_H: Tensor,
    weight_V_H: Tensor,
    chosen: Choices,
    *,
    temperature: float,
    barred_ids: Tensor,
) -> tuple[Tensor, Tensor]:
    """→ log-probability of each chosen token and entropy where it was drawn, both [M], float32.

    At `temperature`, over the vocabulary without `barred_ids`; in the order that `choices` was
    given the tokens. Entropies carry no gradient.
    """
    logps, entropies_K = _Scored.apply(  # type: ignore[no-untyped-call]  # torch's own
        hidden_K_H, weight_V_H, chosen.places, chosen.token_ids, barred_ids, temperature
    )
    shape = chosen.order.shape
    return (
        logps.new_empty(shape).scatter(0, chosen.order, logps),
        logps.new_empty(shape).scatter(0, chosen.order, entropies_K[chosen.places]),
    )


class _Scored(torch.autograd.Function):
    """The logits of a chunk are computed again in backward rather than kept."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes no keywords
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        places: Tensor,
        token_ids: Tensor,
        barred_ids: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        logps = torch.empty(len(places), device=hidden.device)
        log_norms = torch.empty(len(hidden), device=hidden.device)
        entropies = torch.empty_like(log_norms)
        for rows, tokens in _chunks(len(weight), len(hidden), places):
            logits = _logits(hidden[rows], weight, barred_ids, temperature)
            log_norm = logits.logsumexp(dim=-1)
            inner = places[tokens] - rows.start
            logps[tokens] = logits[inner, token_ids[tokens]] - log_norm[inner]
            probabilities = (logits - log_norm.unsqueeze(1)).exp_()
            # 0 · log 0 is 0, not the product of 0 and -∞
            logits.index_fill_(-1, barred_ids, 0.0)
            entropies[rows] = log_norm - probabilities.mul_(logits).sum(dim=-1)
            log_norms[rows] = log_norm
        ctx.save_for_backward(hidden, weight, places, token_ids, barred_ids, log_norms)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropies)
        return logps, entropies

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, places, token_ids, barred_ids, log_norms = ctx.saved_tensors
        gradient_M = gradients[0] / ctx.temperature
        gradient_K = torch.zeros_like(log_norms).index_add(0, places, gradient_M)
        hidden_gradient = torch.empty_like(hidden)
        for rows, tokens in _chunks(len(weight), len(hidden), places):
            logits = _logits(hidden[rows], weight, barred_ids, ctx.temperature)
            probabilities = logits.sub_(log_norms[rows].unsqueeze(1)).exp_()
            logit_gradient = probabilities.mul_(-gradient_K[rows].unsqueeze(1))
            inner = places[tokens] - rows.start
            logit_gradient.index_put_(
                (inner, token_ids[tokens]), gradient_M[tokens], accumulate=True
            )
            hidden_gradient[rows] = logit_gradient.to(weight.dtype) @ weight
        return hidden_gradient, None, None, None, None, None


def _logits(hidden: Tensor, weight: Tensor, barred_ids: Tensor, temperature: float) -> Tensor:
    logits = (hidden @ weight.T).float()
    return logits.div_(temperature).index_fill_(-1, barred_ids, -torch.inf)


def _chunks(vocabulary: int, rows: int, places: Tensor) -> Iterator[tuple[slice, slice]]:
    """Ranges of rows, each with the range of the tokens whose places lie in it."""
    step = max(1, _LOGITS_PER_CHUNK // vocabulary)
    if rows <= step:
        yield slice(0, rows), slice(0, len(places))
        return
    starts = torch.arange(0, rows + step, step, device=places.device)
    bounds = torch.searchsorted(places, starts).tolist()
    for number, start in enumerate(range(0, rows, step)):
        yield slice(start, min(start + step, rows)), slice(bounds[number], bounds[number + 1])
