"""The other side: TRL's GRPOTrainer on the same model, LoRA, images, group size and precision.

`learn` is the forward, backward and optimizer of given completions and advantages, alone;
`step` is a whole step with TRL's own generation and the given reward; `trainer.train()` is TRL's
own loop. Image and prompt preparation belong to `step`, never to `learn`, as in TRL itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tally import torch_compat

torch_compat.install()

from datasets import Dataset  # noqa: E402
from peft import LoraConfig  # noqa: E402
from transformers import (  # noqa: E402
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedModel,
    Qwen2_5_VLProcessor,
    Qwen2VLVideoProcessor,
)
from trl import GRPOConfig  # noqa: E402

from bench.given_trainer import GivenTrainer  # noqa: E402
from bench.scenes import Example  # noqa: E402
from bench.stepping import optimizer_step  # noqa: E402
from tally.families.qwen2_5_vl import QWEN2_5_VL  # noqa: E402

Reward = Callable[[str, int], float]  # answer text, true count


@dataclass(frozen=True, kw_only=True)
class TrlSettings:
    """TRL's own names where it has them; `prompts_per_pass` × `num_generations` is its batch."""

    model_path: Path
    num_generations: int = 8
    prompts_per_pass: int = 1
    gradient_accumulation_steps: int = 1
    max_completion_length: int = 16
    temperature: float = 1.0
    learning_rate: float = 1e-3
    lr_scheduler_type: str = "constant"
    max_steps: int = 1_000_000
    loss_type: str = "dapo"
    importance_sampling_level: str = "token"
    beta: float = 0.0
    epsilon: float = 0.2
    epsilon_high: float = 0.2
    scale_rewards: str = "group"
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    dtype: str = "float32"
    use_4bit: bool = False
    gradient_checkpointing: bool = False
    device: str = "cpu"
    seed: int = 43
    barred_token_ids: tuple[int, ...] = ()  # are never sampled


class TrlSide:
    """TRL's trainer, ready to step. `folder` takes what TRL writes.

    `lengths` has the tokens of each completion of each batch that TRL scored.
    """

    def __init__(
        self,
        settings: TrlSettings,
        examples: Sequence[Example],
        folder: Path,
        reward: Reward | None = None,
    ) -> None:
        self.settings = settings
        self._reward = reward or (lambda text, count: float(len(text) % 7))
        self.processor = _processor(settings.model_path)
        self.trainer = GivenTrainer(
            model=_base_model(settings),
            reward_funcs=self._rewards,
            args=_arguments(settings, folder),
            train_dataset=_dataset(examples),
            processing_class=self.processor,
            peft_config=LoraConfig(
                r=settings.lora_r,
                lora_alpha=settings.lora_alpha,
                lora_dropout=settings.lora_dropout,
                target_modules=QWEN2_5_VL.lora_targets,
                task_type="CAUSAL_LM",
            ),
        )
        self._examples = examples
        self._batches: Any = None
        self.lengths: list[list[int]] = []

    @property
    def model(self) -> torch.nn.Module:
        model = self.trainer.model
        assert model is not None
        return model

    def inputs(
        self,
        examples: Sequence[Example],
        completions_P_G: Sequence[Sequence[Sequence[int]]],
        advantages_P_G: Tensor,
    ) -> dict[str, Any]:
        """TRL's own batch for these completions (token ids) and advantages, one row each.

        With beta above 0, TRL's reference pass is made here, as TRL makes it when it generates.
        """
        flat = [list(c) for group in completions_P_G for c in group]
        repeated = [e for e in examples for _ in range(self.settings.num_generations)]
        batch = self.trainer.batch_of([_row(e) for e in repeated], flat)
        return batch | {"advantages": advantages_P_G.flatten().to(batch["advantages"])}

    def loss(self, inputs: dict[str, Any]) -> Tensor:
        """The loss of one forward pass, ready for `.backward()`."""
        self.trainer.current_gradient_accumulation_steps = 1
        loss: Tensor = self.trainer.compute_loss(self.trainer.model, inputs)
        return loss

    def learn(self, inputs: dict[str, Any]) -> float:
        """Forward, backward and optimizer on what `inputs` made; returns the loss."""
        return optimizer_step(self.trainer, [inputs])

    def step(self) -> float:
        """A whole step on the next prompts: generate, score, forward, backward, optimizer."""
        if self._batches is None:
            self._batches = iter(self.trainer.get_train_dataloader())
        number = self.settings.gradient_accumulation_steps
        return optimizer_step(self.trainer, [next(self._batches) for _ in range(number)])

    def _rewards(
        self,
        completions: list[Any],
        true_count: list[int],
        completion_ids: list[list[int]],
        **_: Any,
    ) -> list[float | None]:
        self.lengths.append([len(ids) for ids in completion_ids])
        texts = [completion[0]["content"] for completion in completions]
        return [self._reward(*pair) for pair in zip(texts, true_count, strict=True)]


def _base_model(settings: TrlSettings) -> PreTrainedModel:
    quantization = None
    if settings.use_4bit:
        quantization = QWEN2_5_VL.nf4(getattr(torch, settings.dtype))
    model: PreTrainedModel = AutoModelForImageTextToText.from_pretrained(
        settings.model_path,
        dtype=settings.dtype,
        quantization_config=quantization,
        attn_implementation="sdpa",
        device_map={"": settings.device},
    )
    return model


def _processor(path: Path) -> Qwen2_5_VLProcessor:
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    return Qwen2_5_VLProcessor(
        image_processor=AutoImageProcessor.from_pretrained(path),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=tokenizer.chat_template,
    )


def _arguments(settings: TrlSettings, folder: Path) -> GRPOConfig:
    return GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=settings.prompts_per_pass * settings.num_generations,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        num_generations=settings.num_generations,
        max_completion_length=settings.max_completion_length,
        temperature=settings.temperature,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        max_steps=settings.max_steps,
        loss_type=settings.loss_type,
        importance_sampling_level=settings.importance_sampling_level,
        beta=settings.beta,
        epsilon=settings.epsilon,
        epsilon_high=settings.epsilon_high,
        scale_rewards=settings.scale_rewards,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=settings.dtype == "bfloat16",
        use_cpu=settings.device == "cpu",
        seed=settings.seed,
        logging_steps=1,
        generation_kwargs=_sampling(settings.barred_token_ids),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def _sampling(barred_token_ids: Sequence[int]) -> dict[str, Any] | None:
    """What is said in place of TRL's own, which leaves out the image's placeholder alone."""
    return {"suppress_tokens": list(barred_token_ids)} if barred_token_ids else None


def _row(example: Example) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": example.question}],
        "image": example.image,
        "true_count": example.true_count,
    }


def _dataset(examples: Sequence[Example]) -> Dataset:
    return Dataset.from_list([_row(example) for example in examples])
