"""A file of tensors, beside what the library itself writes of them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from learner_service.policy.adapter_file import AdapterFile

METADATA = {"adapter_config": '{"r": 2, "names": "é\\"q"}'}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_it_is_byte_for_byte_what_safetensors_writes(tmp_path: Path, dtype: torch.dtype):
    tensors = {
        "a.lora_A.weight": torch.randn(2, 600_000).to(dtype),  # more than is written together
        "a.lora_B.weight": torch.randn(3, 2).to(dtype),
        "b.lora_A.weight": torch.randn(8, 4).to(dtype)[2:5],
    }
    file = AdapterFile(tensors, METADATA)
    for change in (0.0, 1.0):
        changed = {name: tensor + change for name, tensor in tensors.items()}
        file.write(tmp_path / "own", changed)
        assert (tmp_path / "own").read_bytes() == save(changed, METADATA)
