"""Whether a blob is an adapter, as far as that shows without its model; replicas judge the rest."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from learner_service.errors import InvalidAdapter
from tally.job.settings import LoraConfig
from tally.sampling.adapter_config import CONFIG_KEY, MOST_HEADER_BYTES, read_lora_config

_MOST_RANK = 512


def check_adapter(path: Path) -> None:
    """Raises InvalidAdapter unless it is one safetensors file with the configuration of a LoRA."""
    text = _metadata(path).get(CONFIG_KEY, "")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"expected PEFT's configuration as JSON in its metadata's {CONFIG_KEY}"
        raise InvalidAdapter(message) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InvalidAdapter(f"{CONFIG_KEY}: expected that of a LoRA, with peft_type LORA")


def check_beginning(path: Path, lora: LoraConfig) -> None:
    """As `check_adapter`, for one that training is to go on with under these settings."""
    try:
        config = read_lora_config(_metadata(path).get(CONFIG_KEY), _MOST_RANK)
    except ValueError as error:
        raise InvalidAdapter(str(error)) from error
    for name in ("r", "lora_alpha"):
        own, asked = config[name], getattr(lora, name)
        if own != asked:
            raise InvalidAdapter(f"its {name} is {own:g}, and train.lora.{name} {asked:g}")


def _metadata(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes <= MOST_HEADER_BYTES:
        try:
            with safe_open(path, framework="numpy") as tensors:
                return tensors.metadata() or {}
        except (SafetensorError, OSError):
            pass
    raise InvalidAdapter(
        f"expected one whole safetensors file with a header of at most {MOST_HEADER_BYTES:,} bytes"
    )
