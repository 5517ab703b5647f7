"""What one forward pass learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from learner_service.grpo.exact_counts import AnswerSet
from learner_service.grpo.losses.loss import LossScale
from learner_service.policy.packing import Group


@dataclass(frozen=True, kw_only=True)
class ForwardPass:
    """The groups of one forward pass that something can be learnt from; maybe none.

    The loss over `groups` times `share` is the loss over all groups of the pass, since the
    `num_skipped` others add nothing but to what it is divided by.
    `dropout_seed` makes its dropout repeatable, whichever process it falls to.
    `weights`, [N], where given, multiply all that is of a completion.
    `has_turn`: whether other processes may have a pass at the same time; one that is made
    elsewhere, at another time, has none.

    With exact_counts `set_rewards` has for each group the rewards of its completions, [size], where
    these are a set, and None where they were sampled; their advantages follow from the pass itself.
    `draw_outside` gives what else to learn from, now that the sets have been measured.
    """

    groups: Sequence[Group]
    image_digests: Sequence[str]  # of each group's image
    advantages: Tensor  # [N] of all completions of `groups`
    scale: LossScale
    share: float = 1.0
    num_skipped: int = 0
    dropout_seed: int | None = None
    has_turn: bool = True
    weights: Tensor | None = None
    set_rewards: Sequence[Tensor | None] = ()
    draw_outside: "Callable[[Sequence[AnswerSet | None]], ForwardPass | None] | None" = None

    @property
    def num_tokens(self) -> int:
        """Of prompts and completions, those that completions share counted once for each."""
        return sum(len(ids) for g in self.groups for ids in (g.prompt_ids, *g.completions))
