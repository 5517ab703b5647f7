"""Which files of a model hold its weights: safetensors alone, since a pickle may run code."""

import json
from math import prod
from pathlib import Path

from tally.families.family import UnsupportedModel

_INDEX = "model.safetensors.index.json"
_PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")


def check_weight_files(source: str) -> None:
    """Raises UnsupportedModel for a folder whose weights are pickles alone.

    Of a hub name nothing is looked at: only safetensors files are ever fetched.
    """
    folder = Path(source)
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise UnsupportedModel(
            f"the weights of {folder.name} are a pickle ({pickles[0]}), which may run code when it "
            "is read; save them as safetensors"
        )


def count_parameters(folder: Path) -> int | None:
    """Of the safetensors files of a model, by their headers alone; None where not all are there."""
    files = {path.name for path in folder.glob("*.safetensors")}
    index = folder / _INDEX
    if index.exists():
        named = set(json.loads(index.read_text())["weight_map"].values())
        if not named <= files:
            return None
        files = named
    return sum(_count_in(folder / name) for name in files) or None


def _count_in(path: Path) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return sum(prod(entry["shape"]) for entry in header.values())
