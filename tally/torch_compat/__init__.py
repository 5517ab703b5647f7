"""Lets transformers and vLLM run where torch is a CPU build and its companions aren't.

vLLM brings torchvision, torchaudio and torchcodec, and where they are installed transformers
imports them in every process. Package indexes offer them built for CUDA. Beside a CPU torch their
compiled parts don't load: torchaudio's import fails, and torchvision's too, where it says what its
operators do on the meta device (`operator torchvision::nms does not exist`). Nothing of them that
is compiled is used here. So torchvision's schemas are declared before its first import, and the
other two are hidden.

The packages that use transformers call `install` when they are imported; `startup_path` does it in
processes that others start. Companions that were built for torch as it is are left alone.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # a library that is collected takes its schemas along


def install() -> None:
    """Costs little, and never imports torch by itself."""
    for name in ("torchaudio", "torchcodec"):
        if _misfits(name):
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # "isn't there" to import
    if _misfits("torchvision") and not any(isinstance(f, _Watcher) for f in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def startup_path() -> list[str]:
    """Folders for the front of PYTHONPATH: a Python that starts with them calls `install`.

    Empty where there is nothing to mend.
    """
    if not any(map(_misfits, ("torchvision", "torchaudio", "torchcodec"))):
        return []
    here = Path(__file__).parent
    return [str(here / "startup"), str(here.parent.parent)]


def _misfits(name: str) -> bool:
    """Whether `name` is installed, and torch is a CPU build while it isn't."""
    try:
        return version("torch").endswith("+cpu") and not version(name).endswith("+cpu")
    except PackageNotFoundError:
        return False


class _Watcher(MetaPathFinder):
    """Finds nothing: it only hears that torchvision is looked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision" and not _declared:
            _declare()
        return None


def _declare() -> None:
    import torch  # noqa: PLC0415 - whoever wants no torchvision may want no torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
