"""Groups to one packed sequence: `[prompt][c1]…[cG][prompt][c1]…`, what they share once. Pure.

A completion sees its prompt and itself, nothing of its siblings or of other groups; its
positions start where the prompt's end. Completions that begin alike, as short answers do, share
those tokens as they share the prompt: a group is a tree. The closing token of a completion predicts
nothing, so it is not fed in, and groups of unequal lengths stand one after another, so nothing is
padded. The idea of sharing a prompt's forward pass across a group: PrefixGrouper (arXiv
2506.05433), for text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, kw_only=True)
class Group:
    """One prompt and its G completions, as ids. position_ids: [axes, P] of the P prompt tokens.

    `sampler_logps` are the engine's log-probabilities of the completions' tokens.
    """

    prompt_ids: Sequence[int]
    position_ids: Tensor
    completions: Sequence[Sequence[int]]
    sampler_logps: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class GroupSpan:
    """Where a group lies: its prompt from `start` to `prompt_end`, then its completions' tokens.

    Token i of these goes on from token parents[i], an earlier one, or from the prompt where that is
    -1. A completion of one token takes no place: the prompt's last token predicts it.
    """

    start: int
    prompt_end: int
    parents: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.prompt_end + len(self.parents)


@dataclass(frozen=True, kw_only=True)
class PackedGroups:
    """B groups in S positions; N completions in all, of at most T tokens.

    `sources` says at which position the hidden state stands that predicts each completion token.
    Padding is masked out: it repeats a valid place and token, and has a log-probability of 0.
    """

    token_ids: Tensor  # [S]
    position_ids: Tensor  # [axes, S]
    spans: tuple[GroupSpan, ...]  # B of them
    sources: Tensor  # [N, T]
    target_ids: Tensor  # [N, T]
    sampler_logps: Tensor  # [N, T]
    completion_mask: Tensor  # [N, T] bool


def pack(groups: Sequence[Group]) -> PackedGroups:
    """Raises ValueError for a group without completions, with an empty one, or with tokens that
    have no log-probability.

    Example:
        >>> group = Group(
        ...     prompt_ids=[9, 8],
        ...     position_ids=torch.arange(2).expand(3, 2),
        ...     completions=[[1, 2, 5], [1, 3]],
        ...     sampler_logps=[[-0.1, -0.2, -0.3], [-0.1, -0.4]],
        ... )
        >>> packed = pack([group])
        >>> packed.token_ids  # the prompt, then 1, 2 of one completion and the 1 of both
        tensor([9, 8, 1, 2])
        >>> packed.sources  # the last token of the prompt predicts both beginnings
        tensor([[1, 2, 3],
                [1, 2, 2]])
        >>> packed.completion_mask
        tensor([[ True,  True,  True],
                [ True,  True, False]])
    """
    _check(groups)
    trees = [_tree(group.completions) for group in groups]
    spans: list[GroupSpan] = []
    for group, tree in zip(groups, trees, strict=True):
        spans.append(_span(group, tree, spans[-1].end if spans else 0))
    sources = [
        [span.prompt_end + place for place in row]
        for span, tree in zip(spans, trees, strict=True)
        for row in tree.sources
    ]
    targets = [list(c) for group in groups for c in group.completions]
    sampler_logps = [torch.tensor(logps) for group in groups for logps in group.sampler_logps]
    lengths = torch.tensor([len(target) for target in targets])
    longest = int(lengths.max())
    return PackedGroups(
        token_ids=torch.tensor(
            [i for g, tree in zip(groups, trees, strict=True) for i in (*g.prompt_ids, *tree.ids)]
        ),
        position_ids=torch.cat(
            [_position_ids(g, tree) for g, tree in zip(groups, trees, strict=True)], dim=1
        ),
        spans=tuple(spans),
        sources=_pad(sources, longest),
        target_ids=_pad(targets, longest),
        sampler_logps=pad_sequence(sampler_logps, batch_first=True),
        completion_mask=torch.arange(longest) < lengths.unsqueeze(1),
    )


def _check(groups: Sequence[Group]) -> None:
    if any(not c for group in groups for c in group.completions or [()]):
        raise ValueError("every group needs completions, and every completion a token")
    for group in groups:
        if [*map(len, group.completions)] != [*map(len, group.sampler_logps)]:
            raise ValueError("every token of a completion needs the log-probability of its sampler")


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """The tokens that completions feed in, those of a common beginning once, parents first.

    `sources` says for each completion which token predicts each of its own, -1 being the prompt.
    """

    ids: list[int]
    parents: list[int]
    depths: list[int]
    sources: list[list[int]]


def _tree(completions: Sequence[Sequence[int]]) -> _Tree:
    tree = _Tree(ids=[], parents=[], depths=[], sources=[])
    places: dict[tuple[int, int], int] = {}  # by parent and token
    for completion in completions:
        row = [-1]
        for depth, token in enumerate(completion[:-1]):
            place = places.setdefault((row[-1], token), len(tree.ids))
            if place == len(tree.ids):
                tree.ids.append(token)
                tree.parents.append(row[-1])
                tree.depths.append(depth)
            row.append(place)
        tree.sources.append(row)
    return tree


def _span(group: Group, tree: _Tree, start: int) -> GroupSpan:
    prompt_end = start + len(group.prompt_ids)
    return GroupSpan(start=start, prompt_end=prompt_end, parents=tuple(tree.parents))


def _position_ids(group: Group, tree: _Tree) -> Tensor:
    """[axes, the group's part of S]"""
    first = int(group.position_ids.max()) + 1
    own = first + torch.tensor(tree.depths, dtype=torch.long)
    return torch.cat([group.position_ids, own.expand(len(group.position_ids), -1)], dim=1)


def _pad(rows: list[list[int]], length: int) -> Tensor:
    return torch.tensor([row + row[-1:] * (length - len(row)) for row in rows])
