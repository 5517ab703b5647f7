"""A model that brings code of its own, as some on the hub do; whoever runs it leaves a file."""

import json
import shutil
from pathlib import Path

_PARTS = {
    "config.json": {"AutoConfig": "own.Own", "AutoModelForImageTextToText": "own.Own"},
    "tokenizer_config.json": {"AutoTokenizer": ["own.Own", "own.Own"]},
    "preprocessor_config.json": {"AutoImageProcessor": "own.Own", "AutoProcessor": "own.Own"},
}


def add_code(model: Path, folder: Path) -> Path:
    """Makes `folder` a copy of the model that names code for each of its parts; returns the file
    that is there once the code has run."""
    shutil.copytree(model, folder)
    mark = folder / "has-run"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Own: pass\n")
    for name, named in _PARTS.items():
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": named}))
    return mark
