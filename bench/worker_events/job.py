"""The job of this bench: the small policy's at 112 px."""

from tally.learner.v1 import learner_pb2 as pb

PROMPTS, IMAGES, SIDE_PIXELS = 4, 32, 112
FIRST_EPOCH = 2 * IMAGES // PROMPTS  # fills the store of vision features
# It does not end by itself.
_STEPS, _EPOCHS = 1_000_000, 10_000


def job_spec(dataset_digest: str) -> pb.JobSpec:
    """The learning rate is next to nothing, so that the work of a step stays the same."""
    config = pb.TrainingConfig(
        num_epochs=_EPOCHS,
        max_steps=_STEPS,
        batch_size=PROMPTS,
        gradient_accumulation_steps=1,
        num_generations=8,
        learning_rate=1e-12,
        temperature=1.0,
        use_4bit=False,
        max_image_size=SIDE_PIXELS,
        max_new_tokens=12,
        save_steps=50,
    )
    lora = pb.LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0)
    training = pb.Training(evaluation_share=0, config=config, lora=lora)
    return pb.JobSpec(dataset_digest=dataset_digest, train=training)
