"""What a model family is: the questions that the learner and the engines ask of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tally.families.grid import ImageGrid
from tally.families.licences import Licence, find_licence
from tally.families.shape import ModelShape

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor
    from transformers import BitsAndBytesConfig

    from tally.families.positions import PromptPositions
    from tally.families.vision import Pixels, VisionTower


class UnsupportedModel(ValueError):
    """A model that Tally can neither train nor sample from; the message says which it can."""


@dataclass(frozen=True, kw_only=True)
class Projections:
    """The linear layers of a decoder layer: their paths below it."""

    query: str
    key: str
    value: str
    output: str
    gate: str
    up: str
    down: str

    @property
    def names(self) -> tuple[str, ...]:
        """The last part of each path: what a LoRA configuration calls it."""
        return tuple(path.rpartition(".")[2] for path in astuple(self))


@dataclass(frozen=True, kw_only=True)
class HeadNorms:
    """The norms over every head of the queries and of the keys: their paths below a layer."""

    query: str
    key: str


class Family(ABC):
    """All that is known of the models whose `config.json` has this `model_type`.

    Only the language model's projections are adapted: the vision tower stays frozen, so that its
    features can be kept.
    """

    model_type: ClassVar[str]
    language_model_path: ClassVar[str]  # within the model as transformers loads it
    vision_tower_path: ClassVar[str]  # likewise
    image_token: ClassVar[str]  # as the tokenizer spells the placeholder
    video_token: ClassVar[str | None] = None  # likewise; None where there is none
    projections: ClassVar[Projections]
    head_norms: ClassVar[HeadNorms | None] = None
    position_axes: ClassVar[int]  # of a token's position: more than one under M-RoPE
    # What ends an answer where the tokenizer spells it with several tokens.
    closing_text: ClassVar[str] = ""
    vllm_adapts: ClassVar[bool] = True  # whether vLLM samples from it with a LoRA adapter
    licences: ClassVar[Mapping[str, Licence]]  # of its models on the hub, by publisher/name-size

    @property
    def lora_targets(self) -> str:
        """The adapted layers as PEFT's `target_modules`: a pattern for a layer's whole name."""
        language_model = self.language_model_path.rpartition(".")[2]
        return rf".*{language_model}.*\.({'|'.join(self.projections.names)})"

    def licence(self, model_name: str) -> Licence | None:
        """What a base model may be used for; None where that is not known here."""
        return find_licence(self.licences, model_name)

    def language_model(self, model: torch.nn.Module) -> Any:
        """The text model of `model`, without its head."""
        return model.get_submodule(self.language_model_path)

    def visual(self, model: torch.nn.Module) -> Any:
        """What of `model` makes features of images, as transformers has it."""
        return model.get_submodule(self.vision_tower_path)

    def nf4(self, dtype: torch.dtype) -> BitsAndBytesConfig:
        """How the adapted layers are held in 4 bits, to be computed with in `dtype`."""
        from tally.families.four_bit import nf4_config  # noqa: PLC0415 - it brings torch

        return nf4_config(dtype, layers=self.lora_targets)

    def batch_positions(self, positions: Tensor) -> Tensor:
        """[axes, rows, tokens] as the language model takes them: a single axis is left out."""
        return positions[0] if self.position_axes == 1 else positions

    def deepstack_arguments(self, is_image: Tensor, added: Sequence[Tensor]) -> dict[str, Any]:
        """What transformers' language model takes so that its first layers' outputs get `added`.

        is_image: [1, S] bool; `added`: [image tokens, H] for each of these layers, none as a rule.
        """
        return {}

    def check_attention(self, layer: Any) -> None:
        """Raises UnsupportedModel for a decoder layer whose attention has a part more than here.

        Who computes such a layer by this description would be wrong without a word.
        """
        known = {*astuple(self.projections), *(astuple(self.head_norms) if self.head_norms else ())}
        path = self.projections.query.rpartition(".")[0]
        for name, part in layer.get_submodule(path).named_children():
            if f"{path}.{name}" not in known and any(True for _ in part.parameters()):
                raise UnsupportedModel(
                    f"{self.model_type}: {path}.{name} is not in the description of this family"
                )

    def load_image_processor(self, source: str) -> Any:
        """`source` is a folder or a hub name."""
        # transformers' own name for it asks for torchvision, up to 5.18; the class does not.
        from transformers.models.auto.image_processing_auto import (  # noqa: PLC0415
            AutoImageProcessor,
        )

        return AutoImageProcessor.from_pretrained(source, backend="pil")

    @abstractmethod
    def check(self, config: Any) -> None:
        """Raises UnsupportedModel for a model of this family that Tally computes nothing with."""

    @abstractmethod
    def image_token_id(self, config: Any) -> int:
        """The placeholder that a prompt repeats for every token of its image."""

    @abstractmethod
    def video_token_id(self, config: Any) -> int | None:
        """The placeholder of a video, which no prompt may hold; None where there is none."""

    @abstractmethod
    def grid(self, config: Any, image_processor: Any) -> ImageGrid:
        """Which sizes the processor leaves as they are, and how many tokens each becomes."""

    @abstractmethod
    def patches(self, images: Sequence[Image.Image], image_processor: Any) -> Pixels:
        """What the vision tower reads of images that are on the grid."""

    @abstractmethod
    def frozen_tower(self, visual: Any) -> VisionTower:
        """Pixels to features, by the weights of `visual`, which must not change."""

    @abstractmethod
    def prompt_positions(self, model: Any) -> PromptPositions:
        """The positions of a prompt's tokens, for the rotations of their queries and keys."""

    @abstractmethod
    def shape(self, config: Any) -> ModelShape:
        """The model's size, from its configuration alone."""
