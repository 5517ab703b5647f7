"""What the demo trains with, and on how much."""

from tally.client.answers import LoraConfig, TrainingConfig

TRAINING_SCENES = 300
HELD_OUT_SCENES = 216
SAMPLE_SEED = 1

TRAINING_CONFIG: TrainingConfig = {
    "num_epochs": 5,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "gradient_accumulation_steps": 1,
    "num_generations": 8,
    "temperature": 1.0,
    "use_4bit": False,
    "max_image_size": 112,
    "seed": 43,
    "max_new_tokens": 12,
}
LORA_CONFIG: LoraConfig = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
