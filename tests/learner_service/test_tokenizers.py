"""Where a chat template is found."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from learner_service.errors import UnknownModel
from learner_service.tokenizers import load_tokenizer


def test_a_template_that_only_the_processor_has_is_found(small_model_path: Path, tmp_path: Path):
    expected = load_tokenizer(str(small_model_path)).chat_template
    copytree(small_model_path, tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(
        UnknownModel, match=r"no chat template, and there is no chat_template\.json"
    ):
        load_tokenizer(str(tmp_path))
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": expected}))
    assert load_tokenizer(str(tmp_path)).chat_template == expected
