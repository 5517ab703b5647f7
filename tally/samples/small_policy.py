"""A small Qwen2.5-VL for machines without a GPU: the real architecture, 1.8 M parameters."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.samples.kinds import KINDS
from tally.samples.scenes import MAX_COUNT, QUESTIONS, answer_text

POLICY_PATH = Path(__file__).with_name("counting_policy")

_VOCABULARY_SIZE = 448
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    QWEN2_5_VL.image_token,
    QWEN2_5_VL.video_token,
)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}"
    f"<|vision_start|>{QWEN2_5_VL.image_token}<|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tokenizer() -> Qwen2Tokenizer:
    """With Qwen's special tokens and chat template."""
    return train_tokenizer(
        SPECIAL_TOKENS,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )


def train_tokenizer(
    special_tokens: Sequence[str],
    *,
    eos_token: str,
    pad_token: str,
    chat_template: str,
    **named_tokens: str,
) -> Qwen2Tokenizer:
    """A byte-level BPE over the sentences of the counting scenes; `named_tokens` are those of the
    special ones that a processor asks for by a name."""
    untrained = Qwen2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[])
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = untrained.backend_tokenizer.pre_tokenizer
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY_SIZE - len(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_sentences(), trainer)
    vocabulary, merges = _vocabulary_and_merges(bpe)
    extra: dict[str, Any] = {"extra_special_tokens": named_tokens} if named_tokens else {}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        eos_token=eos_token,
        pad_token=pad_token,
        model_max_length=4096,
        **extra,
    )
    tokenizer.add_tokens(list(special_tokens), special_tokens=True)
    tokenizer.chat_template = chat_template
    return tokenizer


def _vocabulary_and_merges(bpe: Tokenizer) -> tuple[dict[str, int], list[Any]]:
    """Merges are pairs of tokens, which transformers' own annotation doesn't say."""
    state = json.loads(bpe.to_str())["model"]
    return state["vocab"], [tuple(merge) for merge in state["merges"]]


def _sentences() -> list[str]:
    frame = ["system\nYou are a helpful assistant.", "user\n", "assistant\n"]
    questions = [question.format(name=kind.plural) for question in QUESTIONS for kind in KINDS]
    answers = [answer_text(n, kind) for n in range(1, MAX_COUNT + 1) for kind in KINDS]
    return frame * 100 + questions * 4 + answers * 4


def build_model(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """The small policy with random weights, in float32."""
    config = Qwen2_5_VLConfig(
        text_config=text_fields(tokenizer),
        vision_config={
            "depth": 4,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": 128,
            "window_size": 112,
            "fullatt_block_indexes": [1, 3],
        },
        **placeholder_fields(tokenizer),
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def text_fields(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    """The language model's part of the configuration."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [4, 6, 6],
        },
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, "<|im_end|>"),
        "pad_token_id": token_id(tokenizer, "<|endoftext|>"),
    }


def placeholder_fields(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    """The special tokens in the configuration of any of Qwen's vision-language models."""
    return {
        "image_token_id": token_id(tokenizer, QWEN2_5_VL.image_token),
        "video_token_id": token_id(tokenizer, QWEN2_5_VL.video_token),
        "vision_start_token_id": token_id(tokenizer, "<|vision_start|>"),
        "vision_end_token_id": token_id(tokenizer, "<|vision_end|>"),
    }


def token_id(tokenizer: Qwen2Tokenizer, token: str) -> int:
    identifier = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(identifier, int)
    return identifier


def build_image_processor(patch_pixels: int = 14) -> Qwen2VLImageProcessorPil:
    least = (4 * patch_pixels) ** 2
    return Qwen2VLImageProcessorPil(
        patch_size=patch_pixels, size={"shortest_edge": least, "longest_edge": 1024 * 1024}
    )


def load_policy(
    path: Path = POLICY_PATH,
) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerBase, Qwen2VLImageProcessorPil]:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype="float32")
    return model, AutoTokenizer.from_pretrained(path), QWEN2_5_VL.load_image_processor(str(path))
