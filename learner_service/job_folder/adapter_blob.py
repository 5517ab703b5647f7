"""What replicas load: an adapter's weights with its configuration, in one file."""

import json
import shutil
from pathlib import Path

from tally.sampling.adapter_config import CONFIG_KEY

# Those that say something of the weights.
_FIELDS = ("peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "bias", "target_modules")


def write_adapter_blob(folder: Path, path: Path) -> None:
    """Writes the adapter that PEFT saved in `folder` to `path`; equal adapters give equal bytes."""
    saved = json.loads((folder / "adapter_config.json").read_text())
    config = {name: saved[name] for name in _FIELDS}
    with (folder / "adapter_model.safetensors").open("rb") as source, path.open("wb") as target:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        header["__metadata__"] = {CONFIG_KEY: json.dumps(config, sort_keys=True)}
        text = json.dumps(header, sort_keys=True).encode()
        text += b" " * (-len(text) % 8)  # the weights begin where 8 bytes do
        target.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(source, target, 1024**2)
