"""A job's settings in transformers' terms."""

from pathlib import Path

import torch
from transformers import TrainingArguments

from tally.job.choices import LearningRateSchedule
from tally.job.settings import TrainingConfig

_SCHEDULES = {
    LearningRateSchedule.LINEAR: "linear",
    LearningRateSchedule.COSINE: "cosine",
    LearningRateSchedule.CONSTANT: "constant_with_warmup",
}


def training_arguments(
    training: TrainingConfig, staging: Path, device: torch.device
) -> TrainingArguments:
    """`staging` is where transformers writes a checkpoint before it is committed."""
    return TrainingArguments(
        output_dir=str(staging),
        num_train_epochs=training.num_epochs,
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=_SCHEDULES[training.learning_rate_schedule],
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        seed=training.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=training.save_steps,
        remove_unused_columns=False,
        # Trackers are callbacks of our own around transformers': see trackers.py.
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=device.type == "cpu",
    )
