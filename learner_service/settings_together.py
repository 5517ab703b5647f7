"""Which settings of a training mean nothing together. Pure."""

from learner_service.errors import InvalidSpec
from tally.job.choices import AdvantageScale, PromptSelection, ZeroVarianceGroups
from tally.job.settings import TrainingConfig


def check_together(config: TrainingConfig) -> None:
    """Raises InvalidSpec that names the setting to change."""
    if config.is_exact:
        _check_exact(config)
    if config.prompt_selection is PromptSelection.BY_HISTORY:
        _check_selection(config)
    if config.first_completions:
        _check_first(config)
    _check_patience(config)


def _check_exact(config: TrainingConfig) -> None:
    """Where every count is weighed by itself there are no samples to choose."""
    if config.staleness:
        raise InvalidSpec(
            f"train.config.staleness: {config.staleness} with exact_counts, whose probabilities "
            "and samples are of one and the same policy; set 0"
        )
    if config.advantage_scale is AdvantageScale.BATCH:
        raise InvalidSpec(
            "train.config.advantage_scale: batch asks for all rewards of a step before its first "
            "pass; exact_counts weighs them in the passes; set group or none"
        )
    if config.zero_variance_groups is ZeroVarianceGroups.REFILL:
        raise InvalidSpec(
            "train.config.zero_variance_groups: refill replaces groups whose samples are alike; "
            "exact_counts learns from every count of every prompt; set skip"
        )


def _check_selection(config: TrainingConfig) -> None:
    """By history there is nothing to choose where all prompts teach, or from a single place."""
    if config.is_exact:
        raise InvalidSpec(
            "train.config.prompt_selection: by_history leaves out prompts whose samples are alike; "
            "exact_counts learns from every prompt; set uniform"
        )
    if config.batch_size * config.gradient_accumulation_steps == 1:
        raise InvalidSpec(
            "train.config.prompt_selection: by_history with one prompt a step, which leaves no "
            "place for the others; set gradient_accumulation_steps to 2 at least"
        )


def _check_first(config: TrainingConfig) -> None:
    """A group ends with its first completions only where nothing would be learnt from it."""
    number, whole = config.first_completions, config.num_generations
    if not 2 <= number < whole:
        fitting = f"2 to {whole - 1}, or 0" if whole > 2 else "0"
        raise InvalidSpec(
            f"train.config.first_completions: {number} of a prompt's {whole} completions, of which "
            f"two may differ and one be left; set {fitting}"
        )
    if config.is_exact:
        raise InvalidSpec(
            f"train.config.first_completions: {number} with exact_counts, which learns from every "
            "count of every prompt, whatever is sampled; set 0"
        )
    if config.zero_variance_groups is ZeroVarianceGroups.LEARN:
        raise InvalidSpec(
            f"train.config.first_completions: {number} leaves groups unfinished whose rewards do "
            "not differ; with zero_variance_groups learn all are learnt from; set 0, or skip there"
        )
    if config.beta > 0:
        raise InvalidSpec(
            f"train.config.first_completions: {number} leaves groups unfinished whose rewards do "
            "not differ; with beta above 0 all are learnt from; set 0, or beta to 0"
        )


def _check_patience(config: TrainingConfig) -> None:
    """Nothing is waited for that never comes."""
    if config.evaluation_patience and not config.evaluation_steps:
        raise InvalidSpec(
            f"train.config.evaluation_patience: {config.evaluation_patience} without evaluations "
            "to be patient with; set evaluation_steps too"
        )
