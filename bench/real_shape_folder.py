"""A folder of the width and vocabulary of Qwen2.5-VL-3B, with random weights in bfloat16."""

from dataclasses import replace
from pathlib import Path

from bench.models import SHAPES, write_policy
from bench.random_weights import index_path, widen_rows
from bench.real_shape_tokenizer import build_tokenizer

# So wide that some of what is sampled are numbers: where no answer holds a count, all rewards are
# 0, and there is nothing to learn from.
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBERS = (*"0123456789", *_WORDS)
_NUMBER_WIDTH = 8.0


def write_real_shape(folder: Path, *, layers: int) -> Path:
    """In a folder of its own within `folder`, which it returns; one that is whole is left as it is.

    `layers` are the decoder's, and the tower's up to its 32. Raises NoVocabulary.
    """
    folder /= f"qwen2.5-vl-3b-{layers}-layers"
    if index_path(folder).exists():
        return folder
    tokenizer = build_tokenizer()
    vision_layers = min(layers, SHAPES["3b"].vision_layers)
    shape = replace(SHAPES["3b"], layers=layers, vision_layers=vision_layers)
    write_policy(shape, folder, dtype="bfloat16", tokenizer=tokenizer)
    numbers = [tokenizer.encode(f" {number}")[-1] for number in _NUMBERS]
    widen_rows(folder, numbers, _NUMBER_WIDTH)
    return folder
