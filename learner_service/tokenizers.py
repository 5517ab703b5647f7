"""A model's tokenizer, with the template of its chats."""

import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import cached_file

from learner_service.errors import UnknownModel

# Where transformers' processors kept their template before it was a file that tokenizers read too.
_TEMPLATE_FILE = "chat_template.json"


def load_tokenizer(source: str) -> PreTrainedTokenizerBase:
    """With the model's chat template, which some models keep for their processor alone.

    Raises UnknownModel where there is none.
    """
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = _read_processors_template(source)
    return tokenizer


def _read_processors_template(source: str) -> str:
    path = cached_file(source, _TEMPLATE_FILE, _raise_exceptions_for_missing_entries=False)
    if path is None:
        raise UnknownModel(
            f"base_model: its tokenizer has no chat template, and there is no {_TEMPLATE_FILE}; "
            "take the variant of the model that is made for chats"
        )
    template: str = json.loads(Path(path).read_text())["chat_template"]
    return template
