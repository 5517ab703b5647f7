"""Groups to one packed sequence: `[prompt][c1]…[cG][prompt][c1]…`, each prompt once. Pure.

A completion sees its prompt and itself, nothing of its siblings or of other groups; its M-RoPE
positions start where the prompt's end. The closing token of a completion predicts nothing, so it
is not fed in, and groups of unequal lengths stand one after another, so nothing is padded. The
idea of sharing a prompt's forward pass across a group: PrefixGrouper (arXiv 2506.05433), for text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Group:
    """One prompt and its G completions, as ids. position_ids: [3, P] of the P prompt tokens."""

    prompt_ids: Sequence[int]
    position_ids: Tensor
    completions: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class GroupSpan:
    """Where a group lies: its prompt from `start` to `prompt_end`, then its completions.

    Completion k ends at completion_ends[k], where the next begins; the bounds are half-open. A
    completion of one token takes no place: the prompt's last token predicts it.
    """

    start: int
    prompt_end: int
    completion_ends: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.completion_ends[-1]


@dataclass(frozen=True, kw_only=True)
class PackedGroups:
    """B groups in S positions; N completions in all, of at most T tokens.

    `sources` says at which position the hidden state stands that predicts each completion token.
    Padding repeats a valid place and is masked out.
    """

    token_ids: Tensor  # [S]
    position_ids: Tensor  # [3, S]
    spans: tuple[GroupSpan, ...]  # B of them
    sources: Tensor  # [N, T]
    target_ids: Tensor  # [N, T]
    completion_mask: Tensor  # [N, T] bool


def pack(groups: Sequence[Group]) -> PackedGroups:
    """Raises ValueError for a group without completions or with an empty one."""
    if any(not c for group in groups for c in group.completions or [()]):
        raise ValueError("every group needs completions, and every completion a token")
    spans: list[GroupSpan] = []
    for group in groups:
        spans.append(_span(group, spans[-1].end if spans else 0))
    sources = [row for pair in zip(groups, spans, strict=True) for row in _sources(*pair)]
    targets = [list(c) for group in groups for c in group.completions]
    lengths = torch.tensor([len(target) for target in targets])
    longest = int(lengths.max())
    return PackedGroups(
        token_ids=torch.tensor([i for group in groups for i in _token_ids(group)]),
        position_ids=torch.cat([_position_ids(group) for group in groups], dim=1),
        spans=tuple(spans),
        sources=_padded(sources, longest),
        target_ids=_padded(targets, longest),
        completion_mask=torch.arange(longest) < lengths.unsqueeze(1),
    )


def _span(group: Group, start: int) -> GroupSpan:
    prompt_end = start + len(group.prompt_ids)
    ends, end = [], prompt_end
    for completion in group.completions:
        end += len(completion) - 1
        ends.append(end)
    return GroupSpan(start=start, prompt_end=prompt_end, completion_ends=tuple(ends))


def _token_ids(group: Group) -> list[int]:
    return [*group.prompt_ids, *(i for c in group.completions for i in c[:-1])]


def _position_ids(group: Group) -> Tensor:
    """[3, the group's part of S]"""
    first = int(group.position_ids.max()) + 1
    rows = [torch.arange(first, first + len(c) - 1).expand(3, -1) for c in group.completions]
    return torch.cat([group.position_ids, *rows], dim=1)


def _sources(group: Group, span: GroupSpan) -> list[list[int]]:
    """For each completion, the position whose hidden state predicts each of its tokens."""
    starts = (span.prompt_end, *span.completion_ends)
    return [
        [span.prompt_end - 1, *range(start, end)]
        for start, end in zip(starts, span.completion_ends, strict=False)
    ]


def _padded(rows: list[list[int]], length: int) -> Tensor:
    return torch.tensor([row + row[-1:] * (length - len(row)) for row in rows])
