"""A family that is not there: Qwen2.5-VL's computation, with other names for all that has one."""

from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLModel,
)
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLPreTrainedModel

from tally.families.family import Projections
from tally.families.qwen2_5_vl import Qwen25VL
from tally.samples.small_policy import load_policy


class MadeUp(Qwen25VL):
    """The file that a family more takes."""

    model_type = "made_up_vl"
    language_model_path = "model.words"
    vision_tower_path = "model.eyes"
    image_token = "<picture>"
    video_token = "<film>"
    projections = Projections(
        query="self_attn.ask",
        key="self_attn.find",
        value="self_attn.tell",
        output="self_attn.join",
        gate="mlp.open",
        up="mlp.widen",
        down="mlp.narrow",
    )

    def image_token_id(self, config: Any) -> int:
        return int(config.picture_token_id)

    def video_token_id(self, config: Any) -> int:
        return int(config.film_token_id)


class MadeUpConfig(Qwen2_5_VLConfig):
    model_type = "made_up_vl"


class MadeUpModel(Qwen2_5_VLForConditionalGeneration):
    config_class = MadeUpConfig
    _tied_weights_keys = {"lm_head.weight": "model.words.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: MadeUpConfig) -> None:
        Qwen2_5_VLPreTrainedModel.__init__(self, config)
        self.model = Qwen2_5_VLModel(config)
        for layer in self.model.language_model.layers:
            rename(layer.self_attn, q_proj="ask", k_proj="find", v_proj="tell", o_proj="join")
            rename(layer.mlp, gate_proj="open", up_proj="widen", down_proj="narrow")
        rename(self.model, visual="eyes", language_model="words")
        text = config.get_text_config()
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()


def rename(module: nn.Module, **names: str) -> None:
    """Its parts get new names; its own code still finds them by the old ones."""
    aliases = {old: property(attrgetter(new)) for old, new in names.items()}
    module.__class__ = type(type(module).__name__, (type(module),), aliases)
    for old, new in names.items():
        module._modules[new] = module._modules.pop(old)


def register() -> None:
    """With transformers, as whoever publishes such a model does."""
    AutoConfig.register(MadeUp.model_type, MadeUpConfig, exist_ok=True)
    AutoModelForImageTextToText.register(MadeUpConfig, MadeUpModel, exist_ok=True)


def save_as_made_up(source: Path, target: Path) -> None:
    """The Qwen2.5-VL in `source` under the made-up names, with its placeholders."""
    model, tokenizer, processor = load_policy(source)
    fields = model.config.to_dict()
    fields["picture_token_id"] = fields.pop("image_token_id")
    fields["film_token_id"] = fields.pop("video_token_id")
    made_up = MadeUpModel(MadeUpConfig.from_dict(fields | {"model_type": MadeUp.model_type}))
    # In the same order, so that each weight finds its own.
    weights = zip(made_up.state_dict(), model.state_dict().values(), strict=True)
    made_up.load_state_dict(dict(weights))
    for part in (made_up, tokenizer, processor):
        part.save_pretrained(target)
    for path in (*target.glob("*token*.json"), *target.glob("*.jinja")):
        text = path.read_text().replace(Qwen25VL.image_token, MadeUp.image_token)
        path.write_text(text.replace(Qwen25VL.video_token, MadeUp.video_token))
