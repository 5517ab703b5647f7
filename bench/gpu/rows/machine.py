"""Which machine and which versions the figures are of, and how fast its matrix product is."""

import platform
from importlib.metadata import PackageNotFoundError, version
from statistics import median

import torch

from bench.efficiency import matrix_rate
from bench.gpu.row import RowContext

_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "grpcio",
    "protobuf",
    "bitsandbytes",
    "trl",
)


def measure(context: RowContext) -> None:
    versions = {name: _version(name) for name in _PACKAGES}
    said = ", ".join(f"{name} {found}" for name, found in versions.items())
    context.note("versions", f"Python {platform.python_version()}, {said}", **versions)
    if context.device == "cuda":
        card = torch.cuda.get_device_properties(0)
        context.note(
            "card",
            f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}",
            name=card.name,
            memory_bytes=card.total_memory,
            cuda=torch.version.cuda,
        )
    for dtype in (torch.bfloat16, torch.float32):
        rate = median(matrix_rate(dtype, context.device) for _ in range(5))
        name = str(dtype).removeprefix("torch.")
        said = f"{rate / 1e12:.3g} TFLOP/s in a large product"
        context.note(name, said, flops_per_second=rate)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
