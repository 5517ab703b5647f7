"""What is held in 4 bits: the layers of the language model that are adapted, nothing else."""

import re
from pathlib import Path

import torch
from bitsandbytes.nn import Linear4bit
from transformers import AutoModelForImageTextToText

from tally.families.registry import read_config


def test_what_is_adapted_is_in_4_bits_and_nothing_else(small_model_path: Path):
    _, family = read_config(str(small_model_path))
    model = AutoModelForImageTextToText.from_pretrained(
        small_model_path, quantization_config=family.nf4(torch.float32), device_map={"": "cpu"}
    )
    linear = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    in_4_bits = {name for name, module in linear.items() if isinstance(module, Linear4bit)}
    assert in_4_bits == {name for name in linear if re.fullmatch(family.lora_targets, name)}
