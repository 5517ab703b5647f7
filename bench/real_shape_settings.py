"""What of a job at the real size is chosen, and how."""

import argparse
from dataclasses import dataclass

from bench.report import options
from tally.cli.stack.services import SamplingPlace
from tally.client.answers import TrainRequest

# With a reference, groups are learnt from though random weights earn equal rewards.
_BETA = 0.001


@dataclass(frozen=True, kw_only=True)
class RealShape:
    """What is run; `kept` is the precision beside NF4, `rollouts` who samples."""

    layers: int
    precision: str
    kept: str
    steps: int
    prompts: int
    num_generations: int
    max_new_tokens: int
    side_pixels: int
    lora_r: int
    lora_dropout: float
    gradient_checkpointing: bool
    rollouts: SamplingPlace = "service"

    @property
    def use_4bit(self) -> bool:
        return self.precision == "4bit"

    def environment(self) -> dict[str, str]:
        """Learner and replica in the same precision."""
        dtype = self.kept if self.use_4bit else self.precision
        return {
            "TALLY_LEARNER_DTYPE": dtype,
            "TALLY_ROLLOUT_DTYPE": dtype,
            "TALLY_ROLLOUT_USE_4BIT": str(self.use_4bit).lower(),
            "TALLY_LEARNER_INSIDE_USE_4BIT": str(self.use_4bit).lower(),
            "TALLY_ROLLOUT_REQUEST_TIMEOUT_SECONDS": "86400",
            "TALLY_LEARNER_ROLLOUT__TIMEOUT_SECONDS": "86400",
        }

    def training_request(self, file_id: str) -> TrainRequest:
        return {
            "job_name": "real shape",
            "data_file_id": file_id,
            "training_config": {
                "max_steps": self.steps,
                "gradient_accumulation_steps": self.prompts,
                "num_generations": self.num_generations,
                "max_new_tokens": self.max_new_tokens,
                "max_image_size": self.side_pixels,
                "temperature": 1.0,
                "beta": _BETA,
                "use_4bit": self.use_4bit,
                "gradient_checkpointing": self.gradient_checkpointing,
            },
            "lora_config": {
                "r": self.lora_r,
                "lora_alpha": 2 * self.lora_r,
                "lora_dropout": self.lora_dropout,
            },
        }


def chosen_shape(arguments: argparse.Namespace) -> RealShape:
    """Of `shape_options`."""
    is_quick = arguments.quick
    return RealShape(
        layers=1 if is_quick else arguments.layers,
        precision=arguments.precision,
        kept=arguments.kept,
        steps=arguments.steps,
        prompts=arguments.prompts,
        num_generations=arguments.groups,
        max_new_tokens=4 if is_quick else arguments.max_new_tokens,
        side_pixels=112 if is_quick else arguments.side_pixels,
        lora_r=arguments.lora_r,
        lora_dropout=arguments.lora_dropout,
        gradient_checkpointing=arguments.gradient_checkpointing,
    )


def shape_options(description: str) -> argparse.ArgumentParser:
    parser = options(description)
    parser.add_argument("--layers", type=int, default=4, help="of the decoder; 36 are all")
    precisions = ["float32", "bfloat16", "4bit"]
    parser.add_argument("--precision", default="bfloat16", choices=precisions)
    parser.add_argument("--kept", default="float32", choices=precisions[:2], help="beside 4bit")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=1, help="of a step")
    parser.add_argument("--groups", type=int, default=8, help="completions of a prompt")
    parser.add_argument("--max-new-tokens", type=int, default=16)
    parser.add_argument("--side-pixels", type=int, default=504, help="a multiple of 28")
    parser.add_argument("--lora-r", type=int, default=64)
    parser.add_argument("--lora-dropout", type=float, default=0.05)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--folder", help="where models are written, and found if they are there")
    return parser
