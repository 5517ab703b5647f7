"""A small model of each family with random weights, for tests and measurements.

`python -m tally.samples.small_models MODEL_TYPE FOLDER` writes one. Those of Qwen share the small
policy's tokenizer and the shape of its language model.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, Qwen2Tokenizer
from transformers.models.aria.image_processing_pil_aria import AriaImageProcessorPil

from tally.families.aria import ARIA
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.qwen2_vl import QWEN2_VL
from tally.families.qwen3_vl import QWEN3_VL
from tally.samples.small_policy import (
    build_image_processor,
    build_model,
    build_tokenizer,
    placeholder_fields,
    text_fields,
    token_id,
    train_tokenizer,
)

_SEED = 7
# Weights as a fresh model has them tell tokens hardly apart: an error would hide in the rounding.
_GAIN = 3.0

_ARIA_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}"
    f"<fim_prefix>{ARIA.image_token}<fim_suffix>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    f"{ARIA.closing_text}\n{{% endfor %}}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class SmallModel:
    """A model as transformers builds it, with the tokenizer and image processor of its folder.

    `processor` is what its processor_config.json says, where it has one.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    processor: dict[str, Any] | None = None


def save_small_model(model_type: str, folder: Path) -> None:
    """Writes what a model's folder holds; the same weights every time."""
    torch.manual_seed(_SEED)
    small = BUILDERS[model_type]()
    with torch.no_grad():
        for parameter in small.model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(_GAIN)
    for part in (small.model, small.tokenizer, small.image_processor):
        part.save_pretrained(folder)
    if small.processor:
        (folder / "processor_config.json").write_text(json.dumps(small.processor))


def _build_qwen2_5_vl() -> SmallModel:
    tokenizer = build_tokenizer()
    return SmallModel(
        model=build_model(tokenizer), tokenizer=tokenizer, image_processor=build_image_processor()
    )


def _build_qwen2_vl() -> SmallModel:
    vision = {"depth": 4, "embed_dim": 64, "hidden_size": 128, "num_heads": 4, "mlp_ratio": 2}
    return _build_qwen(QWEN2_VL.model_type, {}, vision, patch_pixels=14)


def _build_qwen3_vl() -> SmallModel:
    """With heads wider than the hidden size alone would make them, and norms that differ."""
    vision = {
        "depth": 4,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "out_hidden_size": 128,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 2],
    }
    sections = {"mrope_section": [12, 10, 10], "mrope_interleaved": True}
    text = {
        "head_dim": 64,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **sections},
    }
    small = _build_qwen(QWEN3_VL.model_type, text, vision, patch_pixels=16)
    for name, parameter in small.model.named_parameters():
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return small


def _build_qwen(
    model_type: str, text: dict[str, Any], vision: dict[str, Any], *, patch_pixels: int
) -> SmallModel:
    tokenizer = build_tokenizer()
    config = AutoConfig.for_model(
        model_type,
        text_config=text_fields(tokenizer) | text,
        vision_config=vision,
        tie_word_embeddings=True,
        **placeholder_fields(tokenizer),
    )
    return SmallModel(
        model=AutoModelForImageTextToText.from_config(config),
        tokenizer=tokenizer,
        image_processor=build_image_processor(patch_pixels),
    )


def _build_aria() -> SmallModel:
    tokenizer = _build_aria_tokenizer()
    config = AutoConfig.for_model(
        ARIA.model_type,
        text_config=_aria_text_fields(tokenizer),
        # Patches of 70 pixels: 7 × 7 of them in a square, as many as a small tower likes to see.
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 980,
            "patch_size": 70,
        },
        projector_patch_to_query_dict={49: 16, 196: 32},
        image_token_index=token_id(tokenizer, ARIA.image_token),
    )
    model = AutoModelForImageTextToText.from_config(config)
    torch.nn.init.normal_(model.get_submodule("model.multi_modal_projector").query, std=0.2)
    processor = AriaImageProcessorPil(max_image_size=490)
    sizes = {"processor_class": "AriaProcessor", "size_conversion": {"490": 16, "980": 32}}
    return SmallModel(model=model, tokenizer=tokenizer, image_processor=processor, processor=sizes)


def _build_aria_tokenizer() -> Qwen2Tokenizer:
    """Aria spells the tokens that frame a turn as text, in several tokens."""
    specials = ("<unk>", "<s>", "</s>", "<pad>", "<fim_prefix>", "<fim_suffix>", ARIA.image_token)
    return train_tokenizer(
        specials,
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=_ARIA_CHAT_TEMPLATE,
        image_token=ARIA.image_token,
    )


def _aria_text_fields(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    return {
        "model_type": "aria_text",
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "moe_num_experts": 8,
        "moe_topk": 2,
        "moe_num_shared_experts": 2,
        "bos_token_id": token_id(tokenizer, "<s>"),
        "eos_token_id": token_id(tokenizer, "</s>"),
        "pad_token_id": token_id(tokenizer, "<pad>"),
    }


BUILDERS: dict[str, Callable[[], SmallModel]] = {
    QWEN2_5_VL.model_type: _build_qwen2_5_vl,
    QWEN2_VL.model_type: _build_qwen2_vl,
    QWEN3_VL.model_type: _build_qwen3_vl,
    ARIA.model_type: _build_aria,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tally.samples.small_models",
        description="Writes a small model with random weights to a folder.",
    )
    parser.add_argument("model_type", choices=BUILDERS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    save_small_model(options.model_type, options.folder)


if __name__ == "__main__":
    main()
