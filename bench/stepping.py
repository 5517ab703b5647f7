"""One optimizer step of any of transformers' trainers, outside its loop: sides can alternate."""

from collections.abc import Sequence
from typing import Any

from transformers import Trainer


def optimizer_step(trainer: Trainer, batches: Sequence[Any]) -> float:
    """What transformers' training loop does between two steps, for any of its trainers.

    Returns the sum of the losses. The optimizer is made when it is first needed.
    """
    if trainer.optimizer is None:
        trainer.create_optimizer_and_scheduler(num_training_steps=trainer.args.max_steps)
        trainer.model_wrapped, trainer.optimizer = trainer.accelerator.prepare(
            trainer.model, trainer.optimizer
        )
        trainer.optimizer.zero_grad()
    trainer.current_gradient_accumulation_steps = len(batches)
    loss = 0.0
    for batch in batches:
        loss += float(trainer.training_step(trainer.model_wrapped, batch, None))
    model, scheduler = trainer.model, trainer.lr_scheduler
    assert model is not None
    assert scheduler is not None
    trainer.accelerator.clip_grad_norm_(model.parameters(), trainer.args.max_grad_norm)
    trainer.optimizer.step()
    scheduler.step()
    model.zero_grad()
    return loss
