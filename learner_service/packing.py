"""Groups to packed sequences: `[prompt][c1]…[cG]`, the prompt once. Pure.

A completion sees the prompt and itself, nothing of its siblings; its M-RoPE positions start where
the prompt's end. The closing token of a completion predicts nothing, so it is not fed in. The
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
class PackedGroups:
    """B groups padded on the right to S positions; N completions in all, of at most T tokens.

    source_rows and source_columns say which hidden state predicts each completion token: row in
    the batch and position in the sequence. Padding repeats a valid place and is masked out.
    """

    token_ids: Tensor  # [B, S]
    position_ids: Tensor  # [3, B, S]
    attention_mask: Tensor  # [B, 1, S, S] bool, true where a query (row) sees a key (column)
    source_rows: Tensor  # [N, T]
    source_columns: Tensor  # [N, T]
    target_ids: Tensor  # [N, T]
    completion_mask: Tensor  # [N, T] bool


def pack(groups: Sequence[Group], pad_id: int) -> PackedGroups:
    """Raises ValueError for a group without completions or with an empty one."""
    if any(not c for group in groups for c in group.completions or [()]):
        raise ValueError("every group needs completions, and every completion a token")
    length = max(_packed_length(group) for group in groups)
    rows = [_pack_one(group, length, pad_id) for group in groups]
    columns = [column for group in groups for column in _source_columns(group)]
    targets = [list(c) for group in groups for c in group.completions]
    source_rows = [row for row, group in enumerate(groups) for _ in group.completions]
    longest = max(len(target) for target in targets)
    lengths = torch.tensor([len(target) for target in targets])
    return PackedGroups(
        token_ids=torch.stack([row[0] for row in rows]),
        position_ids=torch.stack([row[1] for row in rows], dim=1),
        attention_mask=torch.stack([row[2] for row in rows]).unsqueeze(1),
        source_rows=torch.tensor(source_rows).unsqueeze(1).expand(-1, longest),
        source_columns=_padded(columns, longest),
        target_ids=_padded(targets, longest),
        completion_mask=torch.arange(longest) < lengths.unsqueeze(1),
    )


def _packed_length(group: Group) -> int:
    return len(group.prompt_ids) + sum(len(c) - 1 for c in group.completions)


def _pack_one(group: Group, length: int, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """→ token ids [S], position ids [3, S], who sees whom [S, S]."""
    prompt_length = len(group.prompt_ids)
    token_ids = torch.full((length,), pad_id)
    position_ids = torch.zeros(3, length, dtype=torch.long)
    # 0 is the prompt, 1…G the completions, -1 padding: a query sees keys of the prompt and of its
    # own segment, up to itself.
    segments = torch.full((length,), -1)
    token_ids[:prompt_length] = torch.as_tensor(group.prompt_ids)
    position_ids[:, :prompt_length] = group.position_ids
    segments[:prompt_length] = 0
    next_position = int(group.position_ids.max()) + 1
    start = prompt_length
    for number, completion in enumerate(group.completions, start=1):
        end = start + len(completion) - 1
        token_ids[start:end] = torch.as_tensor(completion[:-1], dtype=torch.long)
        position_ids[:, start:end] = torch.arange(next_position, next_position + end - start)
        segments[start:end] = number
        start = end
    same = segments.unsqueeze(1) == segments.unsqueeze(0)
    of_prompt = (segments == 0).unsqueeze(0) & (segments >= 0).unsqueeze(1)
    return token_ids, position_ids, (same | of_prompt).tril()


def _source_columns(group: Group) -> list[list[int]]:
    """For each completion, the position whose hidden state predicts each of its tokens."""
    prompt_length = len(group.prompt_ids)
    columns, start = [], prompt_length
    for completion in group.completions:
        end = start + len(completion) - 1
        columns.append([prompt_length - 1, *range(start, end)])
        start = end
    return columns


def _padded(rows: list[list[int]], length: int) -> Tensor:
    return torch.tensor([row + row[-1:] * (length - len(row)) for row in rows])
