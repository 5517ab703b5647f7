"""Settings that need less memory, from those that cost the least learning on. Pure."""

from collections.abc import Callable, Sequence

from tally.job.settings import TrainingConfig


def nearest_that_fits(
    training: TrainingConfig, fits: Callable[[TrainingConfig], bool], *, device: str
) -> dict[str, float]:
    """The first of ever smaller settings that fit: what costs the least learning goes first.

    On a card 4 bits, the recommended way to a model that is too large for it, come before what
    computes activations again; on a CPU they are the slower of the two.
    """
    changed: dict[str, float] = {}
    for name, value in _savings(training, device):
        changed[name] = value
        tried = training.model_copy(update=changed)
        if fits(tried):
            return {f"train.config.{name}": value for name, value in changed.items()}
    return {}


def _savings(training: TrainingConfig, device: str) -> Sequence[tuple[str, float]]:
    """Changes in turn, each on top of those before."""
    steps: list[tuple[str, float]] = []
    batch, accumulation = training.batch_size, training.gradient_accumulation_steps
    while batch > 1:
        batch, accumulation = batch // 2, min(4096, accumulation * 2)
        steps += [("gradient_accumulation_steps", accumulation), ("batch_size", batch)]
    without_learning_cost = ["use_4bit", "gradient_checkpointing"]
    for switch in without_learning_cost if device == "cuda" else reversed(without_learning_cost):
        if not getattr(training, switch):
            steps.append((switch, True))
    for name, lowest in (("max_new_tokens", 32), ("max_image_size", 224), ("num_generations", 4)):
        value = getattr(training, name)
        while value // 2 >= lowest:
            value //= 2
            steps.append((name, value))
    return steps
