"""Memory of the GPUs, by NVIDIA's management library: it needs neither torch nor a CUDA context,
and counts what other processes hold, workers and vLLM's own among them.
"""

import os
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from tally.metrics.readings import Figures, Readings

_DRIVER = Path("/dev/nvidiactl")


def gpu_memory() -> list[Readings]:
    """The metrics, with a figure for each GPU that CUDA_VISIBLE_DEVICES leaves to this service."""
    gpus = _Gpus()
    return [
        Readings(
            GaugeMetricFamily,
            f"tally_gpu_memory_{what}_bytes",
            documentation,
            partial(gpus.memory, what),
            labels=["gpu"],
        )
        for what, documentation in (
            ("used", "Memory of a GPU that is in use, by whatever process."),
            ("total", "Memory of a GPU."),
        )
    ]


class _Gpus:
    def memory(self, what: str) -> Figures:
        """Bytes by a GPU's number; none without a driver."""
        return {
            (number,): getattr(self._library.nvmlDeviceGetMemoryInfo(handle), what)
            for number, handle in self._handles.items()
        }

    @cached_property
    def _library(self) -> Any:
        import pynvml  # noqa: PLC0415 - where there is a GPU

        return pynvml

    @cached_property
    def _handles(self) -> dict[str, Any]:
        if not _DRIVER.exists():
            return {}
        self._library.nvmlInit()
        numbers = range(self._library.nvmlDeviceGetCount())
        handles = {str(n): self._library.nvmlDeviceGetHandleByIndex(n) for n in numbers}
        return {
            number: handle
            for number, handle in handles.items()
            if is_visible(number, self._library.nvmlDeviceGetUUID(handle))
        }


def is_visible(number: str, uuid: str) -> bool:
    """Whether CUDA_VISIBLE_DEVICES, if it is set, names this GPU, by its number or its UUID.

    Its numbers are NVML's where CUDA_DEVICE_ORDER is PCI_BUS_ID, as Tally sets it.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return True
    chosen = [one.strip() for one in named.split(",") if one.strip()]
    return any(one == number or uuid.startswith(one) for one in chosen)
