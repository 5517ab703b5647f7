"""Memory of GPUs. There is none here, so NVIDIA's library is a fake."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tally.metrics import gpu_memory as module
from tally.metrics.gpu_memory import gpu_memory, is_visible

GIB = 1024**3


@pytest.fixture
def _two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetUUID=lambda number: f"GPU-{number}abc",
        nvmlDeviceGetMemoryInfo=lambda number: SimpleNamespace(
            used=(number + 1) * GIB, total=80 * GIB
        ),
    )
    driver = tmp_path / "nvidiactl"
    driver.touch()
    monkeypatch.setattr(module, "_DRIVER", driver)
    monkeypatch.setitem(sys.modules, "pynvml", library)


def figures() -> dict[str, dict[str, float]]:
    return {
        family.name: {sample.labels["gpu"]: sample.value for sample in family.samples}
        for reading in gpu_memory()
        for family in reading.collect()
    }


@pytest.mark.usefixtures("_two_gpus")
def test_each_gpu_has_its_figures(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert figures() == {
        "tally_gpu_memory_used_bytes": {"0": GIB, "1": 2 * GIB},
        "tally_gpu_memory_total_bytes": {"0": 80 * GIB, "1": 80 * GIB},
    }


@pytest.mark.usefixtures("_two_gpus")
def test_a_service_tells_of_its_own_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert figures()["tally_gpu_memory_used_bytes"] == {"1": 2 * GIB}


def test_without_a_driver_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(module, "_DRIVER", tmp_path / "none")
    assert figures() == {"tally_gpu_memory_used_bytes": {}, "tally_gpu_memory_total_bytes": {}}


@pytest.mark.parametrize(
    ("named", "visible"),
    [("0", True), ("3, 0", True), ("1", False), ("", False), ("GPU-0a", True), ("GPU-1a", False)],
)
def test_cuda_visible_devices_names_numbers_or_uuids(
    named: str, visible: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert is_visible("0", "GPU-0abc") is visible
