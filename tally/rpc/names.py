"""What a base model is called across services: no path ever leaves the machine it is on."""

from pathlib import Path


def model_name(source: str) -> str:
    """A hub name as it is; a folder by its own name, without the path to it."""
    path = Path(source)
    return path.resolve().name if path.is_dir() else source
