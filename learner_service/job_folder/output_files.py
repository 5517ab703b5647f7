"""The output of a job: its files, and all of them as one, of its folder or of a checkpoint."""

import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from learner_service.job_folder.history import StepHistory

STATE = "trainer_state.json"
CARD = "README.md"
DOCUMENTED_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "training_args.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    STATE,
)
# What AutoProcessor asks for besides, where the base has it.
PROCESSOR_FILES = (
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.jinja",
)
OUTPUT_FILES = (CARD, *DOCUMENTED_FILES, *PROCESSOR_FILES)


def pack_files(files: Iterable[Path], path: Path) -> None:
    """The ZIP of the files at `path`; equal files give equal bytes.

    The weights are random to a compressor, so everything is stored as it is.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(files):
            # Without the time of the file.
            entry = zipfile.ZipInfo(file.name)
            entry.external_attr = 0o644 << 16
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1024**2)


def pack_checkpoint(checkpoint: Path, step: int, history: StepHistory, path: Path) -> bool:
    """As `pack_files`, of what a checkpoint after `step` has of the output; False where that is
    not all of it, as in one that an earlier version wrote. What was logged is in the history."""
    files = [file for file in checkpoint.iterdir() if file.name in OUTPUT_FILES]
    if not {file.name for file in files}.issuperset(DOCUMENTED_FILES):
        return False
    state = path.with_name(f"{path.name}.state") / STATE
    state.parent.mkdir()
    try:
        fields = json.loads((checkpoint / STATE).read_text())
        fields["log_history"] = [e for e in history.entries() if e["step"] <= step]
        state.write_text(json.dumps(fields, indent=2, sort_keys=True))
        pack_files([state, *(file for file in files if file.name != STATE)], path)
    finally:
        shutil.rmtree(state.parent)
    return True
