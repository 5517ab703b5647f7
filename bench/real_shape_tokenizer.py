"""Qwen's real tokenizer, from the vocabulary that the package `dashscope` carries.

A vocabulary of tiktoken names tokens by rank and no merges: a token's merge is the pair that is
left once every merge of a lower rank is done.
"""

import base64
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from tally import torch_compat

torch_compat.install()

from transformers import Qwen2Tokenizer  # noqa: E402
from transformers.convert_slow_tokenizer import bytes_to_unicode  # noqa: E402

from tally.samples.small_policy import CHAT_TEMPLATE, SPECIAL_TOKENS  # noqa: E402

_MAX_TOKENS = 32_768


class NoVocabulary(RuntimeError):
    """The package that carries the vocabulary isn't installed."""


def build_tokenizer() -> Qwen2Tokenizer:
    """151,643 tokens and Qwen's special ones behind them, in Qwen's order; raises NoVocabulary."""
    ranks = read_ranks(_vocabulary_path())
    characters = bytes_to_unicode()

    def spell(token: bytes) -> str:
        return "".join(characters[byte] for byte in token)

    # Pairs of tokens, which transformers' own annotation doesn't say.
    merges: list[Any] = [(spell(left), spell(right)) for left, right in find_merges(ranks)]
    tokenizer = Qwen2Tokenizer(
        vocab={spell(token): rank for token, rank in ranks.items()},
        merges=merges,
        model_max_length=_MAX_TOKENS,
    )
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    # Only now: a token that closes a turn would otherwise be the first of the special ones.
    tokenizer.eos_token = "<|im_end|>"
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def read_ranks(path: Path) -> dict[bytes, int]:
    """Lines of a token in base64 and its rank."""
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def find_merges(ranks: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """The pair that becomes each token of more than one byte, in the order of the ranks.

    Example:
        >>> list(find_merges({b"a": 0, b"b": 1, b"ab": 2, b"aba": 3}))
        [(b'a', b'b'), (b'ab', b'a')]
    """
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            left, right = _merge_below(token, rank, ranks)
            yield left, right


def _merge_below(token: bytes, rank: int, ranks: dict[bytes, int]) -> list[bytes]:
    """The parts of `token` once every merge of a lower rank is done."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, rank) for a, b in pairwise(parts)]
        lowest = min(pairs)
        if lowest >= rank:
            break
        at = pairs.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _vocabulary_path() -> Path:
    """Found without importing the package, which brings a web client."""
    package = find_spec("dashscope")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder) / "resources" / "qwen.tiktoken"
        if path.is_file():
            return path
    raise NoVocabulary(
        "Qwen's vocabulary comes with the package dashscope: pip install '.[bench]' in a checkout"
    )
