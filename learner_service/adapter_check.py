"""Whether a blob is an adapter, as far as that shows without its model; replicas judge the rest."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from learner_service.errors import InvalidAdapter

_CONFIG_KEY = "adapter_config"
# Parsing takes many times a header's bytes.
_MOST_HEADER_BYTES = 16 * 1024**2


def check_adapter(path: Path) -> None:
    """Raises InvalidAdapter unless it is one safetensors file with the configuration of a LoRA."""
    text = _metadata(path).get(_CONFIG_KEY, "")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"expected PEFT's configuration as JSON in its metadata's {_CONFIG_KEY}"
        raise InvalidAdapter(message) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise InvalidAdapter(f"{_CONFIG_KEY}: expected that of a LoRA, with peft_type LORA")


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
    if header_bytes <= _MOST_HEADER_BYTES:
        try:
            with safe_open(path, framework="numpy") as tensors:
                return tensors.metadata() or {}
        except (SafetensorError, OSError):
            pass
    raise InvalidAdapter(
        f"expected one whole safetensors file with a header of at most {_MOST_HEADER_BYTES:,} bytes"
    )
