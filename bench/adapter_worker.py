"""The learner's worker: publishes the adapter of a 7B model; a process of `bench.adapter_transfer`.

python -m bench.adapter_worker STORE LAYERS REPEATS
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from bench.measure import seconds
from bench.peak_memory import PeakMemory
from learner_service.blobs.blob_store import BlobStore
from learner_service.policy.adapters import AdapterPublisher
from tally.families.qwen2_5_vl import QWEN2_5_VL

_QWEN_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
_RANK = 64


def main() -> None:
    store, layers, repeats = sys.argv[1:]
    published = publish(Path(store), int(layers), int(repeats))
    sys.stdout.write(json.dumps(published))


def publish(store: Path, layers: int, repeats: int) -> dict[str, Any]:
    """Publishes an adapter that changes each time; the last one stays in the store."""
    model = _adapted_7b(layers)
    weight = next(p for name, p in model.named_parameters() if "lora_" in name)
    publisher = AdapterPublisher(BlobStore(store))
    growth = PeakMemory("cpu")
    took = []
    for _ in range(repeats):
        with torch.no_grad():
            weight.add_(1.0)
        took.append(seconds(lambda: publisher.publish(model)))
    digest = publisher.publish(model)
    return {
        "digest": digest,
        "size_bytes": BlobStore(store).size_bytes(digest),
        "seconds": took,
        "peak_growth_bytes": growth.figures().growth,
    }


def _adapted_7b(layers: int) -> PeftModel:
    """Qwen2.5-VL-7B without its weights, under a real adapter in bfloat16."""
    text: dict[str, Any] = {**_QWEN_7B, "num_hidden_layers": layers, "max_window_layers": layers}
    config = Qwen2_5_VLConfig(text_config=text)
    with torch.device("meta"):
        base = Qwen2_5_VLForConditionalGeneration(config).bfloat16()
    lora = LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules=QWEN2_5_VL.lora_targets)
    model = get_peft_model(base, lora, autocast_adapter_dtype=False, low_cpu_mem_usage=True)
    for module in model.modules():
        for side in ("lora_A", "lora_B"):
            if hasattr(module, side):
                getattr(module, side).to_empty(device="cpu")
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return model


if __name__ == "__main__":
    main()
