"""What a job with Qwen2.5-VL-3B takes of one card, as preflight estimates it."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from learner_service.preflight.memory import TIGHT, Precision, Prompts, estimate_memory
from learner_service.preflight.replica_memory import add_sampling, estimate_replica_memory
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.job.settings import LoraConfig, TrainingConfig

CARDS_GIB = (8, 16, 24)
_GIB = 1024**3
_IMAGES = 500
_QUESTION_TOKENS = 40
_FEATURE_CACHE_BYTES = _GIB
_BFLOAT16 = 2
_TOKEN_PIXELS = 28
# As Qwen/Qwen2.5-VL-3B-Instruct says in its config.json.
_CONFIG = SimpleNamespace(
    tie_word_embeddings=True,
    get_text_config=lambda: SimpleNamespace(
        vocab_size=151_936,
        hidden_size=2048,
        num_hidden_layers=36,
        num_attention_heads=16,
        num_key_value_heads=2,
        intermediate_size=11_008,
    ),
    vision_config=SimpleNamespace(
        depth=32,
        hidden_size=1280,
        intermediate_size=3420,
        patch_size=14,
        spatial_merge_size=2,
        temporal_patch_size=2,
    ),
)
# What a row changes of the documented settings.
SETTINGS: Sequence[dict[str, Any]] = (
    {},
    {"lora_dropout": 0},
    {"r": 16},
    {"max_image_size": 336},
    {"r": 16, "gradient_checkpointing": True},
    {"r": 16, "gradient_checkpointing": True, "max_image_size": 336, "max_new_tokens": 32},
    {"max_image_size": 1024},
    {"num_generations": 16},
    {"use_4bit": False},
    {"use_4bit": False, "r": 16, "gradient_checkpointing": True},
)


def card_rows(*, documented: str, larger: str) -> Iterator[Sequence[str]]:
    """The settings; GiB and the smallest card of a worker that samples inside, and of a worker
    with a replica beside it.

    `documented` are the words for settings that change nothing, `larger` those for a larger card.
    """
    for changed in SETTINGS:
        words = [f"`{name}` {_in_words(value)}" for name, value in changed.items()]
        row = [", ".join(words) or documented]
        for size in estimated_bytes(changed):
            row += [f"{size / _GIB:.1f}", _smallest_card(size) or larger]
        yield row


def _smallest_card(needed_bytes: int) -> str:
    fit = [card for card in CARDS_GIB if needed_bytes <= TIGHT * card * _GIB]
    return f"{fit[0]} GB" if fit else ""


def estimated_bytes(changed: dict[str, Any]) -> tuple[int, int]:
    """Of a worker that samples inside, and of a worker with a replica beside it."""
    shape = QWEN2_5_VL.shape(_CONFIG)
    training = TrainingConfig.model_validate(_of(TrainingConfig, changed))
    lora = LoraConfig.model_validate(_of(LoraConfig, changed))
    side = round(training.max_image_size / _TOKEN_PIXELS)
    prompts = Prompts(tokens=side**2 + _QUESTION_TOKENS, image_tokens=side**2, images=_IMAGES)
    precision = Precision(bytes_per_number=_BFLOAT16, use_4bit=training.use_4bit)
    worker = estimate_memory(
        shape,
        training,
        lora,
        prompts,
        device="cuda",
        bytes_per_number=_BFLOAT16,
        feature_cache_bytes=_FEATURE_CACHE_BYTES,
        available_bytes=0,
    )
    replica = estimate_replica_memory(
        shape,
        training,
        lora,
        prompts,
        precision,
        device="cuda",
        available_bytes=0,
    )
    inside = add_sampling(worker, shape, training, lora, prompts, precision=precision)
    return inside.estimated_bytes, worker.estimated_bytes + replica.estimated_bytes


def _of(group: Any, changed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changed.items() if name in group.model_fields}


def _in_words(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
