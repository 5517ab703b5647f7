"""What AutoProcessor asks for beside the tokenizer's and the image processor's own files.

They are written, not saved by a processor: to build one takes torchvision, for videos.
"""

import json
import shutil
from pathlib import Path

from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.utils import cached_file

from learner_service.job_folder.output_files import PROCESSOR_FILES
from learner_service.policy.policy import Policy

_PROCESSOR, _VIDEO_PROCESSOR, _TEMPLATE = PROCESSOR_FILES
_OF_BASE = (_PROCESSOR, _VIDEO_PROCESSOR)


def write_processor_files(folder: Path, policy: Policy) -> None:
    """The base's own where it has them, and the template of the chats that were trained on."""
    for name in _OF_BASE:
        if found := _find(policy.base.name_or_path, name):
            shutil.copyfile(found, folder / name)
    if not (folder / _PROCESSOR).exists():
        named = {"processor_class": PROCESSOR_MAPPING_NAMES.get(policy.family.model_type)}
        (folder / _PROCESSOR).write_text(json.dumps(named, indent=2))
    if isinstance(policy.tokenizer.chat_template, str):
        (folder / _TEMPLATE).write_text(policy.tokenizer.chat_template)


def _find(source: str, name: str) -> str | None:
    """None where the base has no such file, or it can't be asked for now."""
    found: str | None = cached_file(
        source,
        name,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return found
