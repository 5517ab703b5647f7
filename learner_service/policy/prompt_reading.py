"""A prompt goes through the policy once: who samples goes on from it, and so does who learns.

The prompt's pass keeps its graph. Completions are then a pass of their own over its keys and
values, and one backward goes through both: the same numbers as those of a packed pass over all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from learner_service.policy.attention import attend_causally, attend_under_mask, predicting_mask
from learner_service.policy.packing import GroupSpan, PackedGroups
from learner_service.policy.policy import Policy
from learner_service.policy.token_logps import TokenLogps
from tally.torch_engine.kv_cache import PromptCache, ReadPrompt


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyPrompt:
    """Keys and values of a prompt's tokens, [1, key-value heads, tokens, D] for each layer, and the
    hidden state [H] of its last one, attached to the graph; and the position that comes next."""

    hidden: Tensor
    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    next_position: int

    def detach(self) -> ReadPrompt:
        """For an engine; nothing is copied."""
        cache = PromptCache()
        for key, value in zip(self.keys, self.values, strict=True):
            cache.append(key.detach()[0], value.detach()[0])
        return ReadPrompt(
            cache=cache, hidden=self.hidden.detach(), next_position=self.next_position
        )


def read_prompt(
    policy: Policy, token_ids: Sequence[int], position_ids: Tensor, features: Sequence[Tensor]
) -> PolicyPrompt:
    """position_ids: [axes, tokens]; `features` are those of its image."""
    attention = _PromptAttention(len(token_ids), policy.device)
    hidden = policy.run(torch.tensor(token_ids), position_ids, features, attention)
    return PolicyPrompt(
        hidden=hidden[0],
        keys=attention.keys,
        values=attention.values,
        next_position=int(position_ids.max()) + 1,
    )


def go_on(
    policy: Policy, packed: PackedGroups, prompts: Sequence[PolicyPrompt], temperature: float
) -> TokenLogps:
    """As `policy.log_probabilities`, with a forward pass over the completions alone."""
    spans = packed.spans
    places = torch.cat([torch.arange(span.prompt_end, span.end) for span in spans])
    last = [prompt.hidden.unsqueeze(0) for prompt in prompts]
    if not len(places):
        return policy.score(torch.cat(last), packed, temperature)
    hidden_N_H = policy.run(
        packed.token_ids[places],
        packed.position_ids[:, places],
        [],
        _CompletionAttention(spans, prompts, policy.device),
    )
    parts = zip(last, hidden_N_H.split([len(span.parents) for span in spans]), strict=True)
    hidden_K_H = torch.cat([part for of_group in parts for part in of_group])
    return policy.score(hidden_K_H, packed, temperature)


class _PromptAttention:
    """Of one prompt; keeps what its layers attend to."""

    def __init__(self, tokens: int, device: torch.device) -> None:
        self.predicting = torch.tensor([tokens - 1], device=device)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        self._keep(key, value)
        return attend_causally(query, key, value, scaling)

    def at_predicting(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        self._keep(key, value)
        return attend_under_mask(query, key, value, None, scaling)

    def _keep(self, key: Tensor, value: Tensor) -> None:
        self.keys.append(key)
        self.values.append(value)


class _CompletionAttention:
    """Of groups' completions, one group after another, to their prompts and what each goes on from.

    Its layers are asked in their order.
    """

    def __init__(
        self, spans: Sequence[GroupSpan], prompts: Sequence[PolicyPrompt], device: torch.device
    ) -> None:
        self.predicting = torch.arange(sum(len(span.parents) for span in spans), device=device)
        self._groups = [
            (prompt, len(span.parents), predicting_mask(span, device)[1:])
            for span, prompt in zip(spans, prompts, strict=True)
            if span.parents
        ]
        self._layer = 0

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        sizes = [size for _, size, _ in self._groups]
        own = zip(*(states.split(sizes, dim=2) for states in (query, key, value)), strict=True)
        outputs = [
            _AttendedAfter.apply(  # type: ignore[no-untyped-call]  # torch's own
                queries,
                prompt.keys[self._layer],
                prompt.values[self._layer],
                keys,
                values,
                mask,
                scaling,
            )
            for (prompt, _, mask), (queries, keys, values) in zip(self._groups, own, strict=True)
        ]
        self._layer += 1
        return torch.cat(outputs, dim=2)

    at_predicting = __call__


class _AttendedAfter(torch.autograd.Function):
    """Completions' queries to a prompt's keys and values and to their own, [1, heads, …, D] each.

    Attention takes the two side by side. Backward lays them so again, and attends again, rather
    than that a second copy of every prompt is kept: the queries are few.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *states, mask, scaling = inputs
        ctx.save_for_backward(*states, mask)
        ctx.scaling = scaling
        return _attend_after(states, mask, scaling)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *states, mask = ctx.saved_tensors
        with torch.enable_grad():
            states = [one.detach().requires_grad_() for one in states]
            attended = _attend_after(states, mask, ctx.scaling)
        return *torch.autograd.grad(attended, states, gradients), None, None


def _attend_after(states: Sequence[Tensor], mask: Tensor, scaling: float) -> Tensor:
    """`states` in the order in which autograd has them."""
    queries, prompt_keys, prompt_values, keys, values = states
    all_keys = torch.cat((prompt_keys, keys), dim=2)
    all_values = torch.cat((prompt_values, values), dim=2)
    return attend_under_mask(queries, all_keys, all_values, mask, scaling)
