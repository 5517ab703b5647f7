"""Policies that close no answer by themselves: both sides of a comparison sample as many tokens."""

import json
import shutil
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer

from tally.sampling.model import barred_token_ids

_GENERATION = "generation_config.json"


def write_endless(policy: Path, folder: Path) -> Path:
    """A copy of `policy` without a closing token; Tally's engines then sample up to the limit."""
    shutil.copytree(policy, folder)
    config = json.loads((folder / _GENERATION).read_text())
    (folder / _GENERATION).write_text(json.dumps(config | {"eos_token_id": []}))
    return folder


def barred_ids(endless: Path) -> list[int]:
    """What Tally's engines never sample there, closing tokens among it: for TRL to leave out."""
    size = AutoConfig.from_pretrained(endless).get_text_config().vocab_size
    return list(barred_token_ids(AutoTokenizer.from_pretrained(endless), (), size))
