"""What of a job's folder another host goes on from, as one file."""

import zipfile
from pathlib import Path

from learner_service.job_folder.layout import JobFolder


def pack_state(folder: JobFolder, archive: Path) -> bool:
    """Writes the last whole checkpoint and the rows held out; False where there is neither."""
    files = [folder.split.path] if folder.split.path.exists() else []
    if checkpoint := folder.checkpoints.find_last().path:
        files += sorted(checkpoint.iterdir())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for file in files:
            packed.write(file, file.relative_to(folder.path))
    return bool(files)


def unpack_state(archive: Path, folder: JobFolder) -> None:
    """Puts it into a folder that has none; a checkpoint's own checksums say whether it is whole."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder.path)
