"""An optimizer step without what surrounds it: its passes forward and backward, and their figures.

With one update per batch the old log-probabilities are the current ones, detached.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learner_service.errors import LossNotFinite
from learner_service.grpo.exact_counts import AnswerSet, Weighed, weigh
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.importance import importance_weights
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.losses.policy_loss import policy_loss
from learner_service.grpo.set_sums import SetSums
from learner_service.grpo.token_sums import TokenSums, token_means
from learner_service.policy.packing import Group, PackedGroups, pack
from learner_service.policy.policy import Policy
from learner_service.policy.prompt_reading import PolicyPrompt, go_on
from learner_service.policy.threads import worthwhile_threads
from learner_service.ranks import Ranks
from tally.job.settings import TrainingConfig
from tally.traces.spans import span

Features = Callable[[Sequence[str]], list[Tensor]]
# Of groups and the digests of their images; None where the pass is over prompts and completions.
TakeRead = Callable[[Sequence[Group], Sequence[str]], list[PolicyPrompt] | None]


def take_none(groups: Sequence[Group], image_digests: Sequence[str]) -> None:
    """Nobody has read prompts."""


@dataclass(frozen=True, kw_only=True)
class LearntStep:
    """A whole step's loss, [], means of its token figures and of its written sets' by name, and
    groups left out of it."""

    loss: Tensor
    token_means: dict[str, float]
    set_means: dict[str, float]
    skipped_groups: int


class StepLearner:
    """Adds up the gradients of a step, pass by pass, then those of all `ranks`.

    The optimizer is the caller's.

    `features` gives the vision features of images by their digests, one row a token each,
    `take_read` the prompts of a pass that have gone through the policy before.
    `corrected` says whether token losses get truncated importance weights.

    Example, with a policy and the features of its images:
        >>> from learner_service.grpo.losses.loss import LossScale
        >>> from learner_service.policy.packing import Group
        >>> learner = StepLearner(policy, features, TrainingConfig(temperature=1.0))
        >>> group = Group(
        ...     prompt_ids=[5, 6],
        ...     position_ids=torch.arange(2).expand(3, 2),
        ...     completions=[[7, 8], [9]],
        ...     sampler_logps=[[-5.5, -5.6], [-5.5]],
        ... )
        >>> forward_pass = ForwardPass(
        ...     groups=[group],
        ...     image_digests=["a" * 64],
        ...     advantages=torch.tensor([1.0, -1.0]),
        ...     scale=LossScale(step_tokens=3, forward_passes=1, max_new_tokens=4),
        ... )
        >>> learner.learn(forward_pass)  # the ratios are 1: -(2 * 1 + 1 * -1) / 3
        tensor(-0.3333)
        >>> step = learner.finish()
        >>> step.token_means["clip_high_rate"], step.skipped_groups
        (0.0, 0)
        >>> torch.optim.SGD(learner.parameters, lr=0.1).step()
    """

    def __init__(
        self,
        policy: Policy,
        features: Features,
        settings: TrainingConfig,
        *,
        corrected: bool = False,
        ranks: Ranks | None = None,
        take_read: TakeRead = take_none,
    ) -> None:
        self.policy = policy
        self.ranks = ranks or Ranks.alone()
        self.parameters = [p for p in policy.model.parameters() if p.requires_grad]
        self._features = features
        self._take_read = take_read
        self._settings = settings
        self._corrected = corrected
        self._loss = LOSSES[settings.loss_type]
        self._begin()

    def _begin(self) -> None:
        self._step_loss = torch.zeros((), device=self.policy.device)
        self._sums = TokenSums(self.policy.device)
        self._set_sums = SetSums(self.policy.device)
        self._skipped_groups = torch.zeros((), device=self.policy.device)

    def learn(self, forward_pass: ForwardPass) -> Tensor:
        """Adds to the gradients; returns the pass's part of the loss of the step, [], detached."""
        self._skipped_groups += forward_pass.num_skipped
        if not forward_pass.groups:
            self._take_read([], [])
            if forward_pass.has_turn:
                self._join()
                self._learn_outside(None)
            return torch.zeros_like(self._step_loss)
        loss, sets = self._learn_groups(forward_pass)
        if forward_pass.draw_outside is None:
            return loss
        return loss + self._learn_outside(forward_pass.draw_outside(sets))

    def _learn_outside(self, outside: ForwardPass | None) -> Tensor:
        """Of a turn what lies outside its written sets, if any process has found something."""
        shared = self.policy.is_sharded and self._settings.is_exact
        found = self.ranks.exchange(outside is not None) if shared else []
        if outside is not None:
            return self._learn_groups(outside)[0]
        if any(found):
            self._join()
        return torch.zeros_like(self._step_loss)

    def _join(self) -> None:
        # With a KL penalty the reference is a forward pass more.
        self.policy.join(forward_passes=2 if self._settings.beta else 1)

    def _learn_groups(self, forward_pass: ForwardPass) -> tuple[Tensor, Sequence[AnswerSet | None]]:
        # transformers would walk through all modules of the model for each pass.
        if not self.policy.model.training:
            self.policy.model.train()
        policy = self.policy
        if forward_pass.dropout_seed is not None:
            torch.manual_seed(forward_pass.dropout_seed)
        tokens = forward_pass.num_tokens
        with (
            span("learn", tokens=tokens),
            worthwhile_threads(policy.device, tokens, policy.hidden_size),
        ):
            loss, sets = self._compute_loss(forward_pass)
            loss.backward()
        self._step_loss += loss.detach()
        return loss.detach(), sets

    def finish(self, gradient_factor: float = 1.0) -> LearntStep:
        """Brings loss and gradients to those of the whole step; nothing learnt is 0.

        Raises LossNotFinite where the loss is not a finite number, RankLost.
        """
        gradients = self._complete_gradients()
        figures = [self._step_loss, self._sums.sums, self._set_sums.sums, self._skipped_groups]
        with span("add up gradients"):
            self.ranks.add_up([*gradients, *figures])
        loss = self._step_loss * gradient_factor
        if not math.isfinite(loss.item()):
            raise LossNotFinite
        if gradient_factor != 1:
            torch._foreach_mul_(gradients, gradient_factor)
        step = LearntStep(
            loss=loss,
            token_means=self._sums.means(),
            set_means=self._set_sums.means(),
            skipped_groups=int(self._skipped_groups.item()),
        )
        self._begin()
        return step

    def _complete_gradients(self) -> list[Tensor]:
        """Those of all parameters; where nothing was learnt they become zeros."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self.parameters if p.grad is not None]

    def _compute_loss(self, forward_pass: ForwardPass) -> tuple[Tensor, Sequence[AnswerSet | None]]:
        """The loss of one forward pass over its groups, each prompt once; and its written sets."""
        settings = self._settings
        packed = pack(forward_pass.groups)
        features = self._features(forward_pass.image_digests)
        prompts = self._take_read(forward_pass.groups, forward_pass.image_digests)
        tokens = (
            self.policy.log_probabilities(packed, features, settings.temperature)
            if prompts is None
            else go_on(self.policy, packed, prompts, settings.temperature)
        )
        device = self.policy.device
        mask, sampler_logps = packed.completion_mask.to(device), packed.sampler_logps.to(device)
        old_logps = tokens.logps.detach()
        # What nobody sampled needs no correction.
        samplers = torch.where(sampler_logps.isnan(), old_logps, sampler_logps)
        importance = importance_weights(old_logps, samplers, settings.importance_cap)
        weighed = self._weigh(forward_pass, old_logps)
        parts = policy_loss(
            tokens.logps,
            old_logps,
            weighed.advantages.to(device),
            mask,
            loss=self._loss,
            scale=forward_pass.scale,
            epsilon_low=settings.epsilon_low,
            epsilon_high=settings.epsilon_high,
            beta=settings.beta,
            reference_logps=self._reference_logps(packed, features),
            importance_weights=importance.weights if self._corrected else None,
            completion_weights=weighed.weights,
        )
        gaps = (old_logps - sampler_logps).abs()
        counted = mask if weighed.weights is None else mask * weighed.weights.unsqueeze(1)
        self._sums.add(
            counted.sum(), token_means(counted, tokens.entropies, gaps, parts, importance)
        )
        self._set_sums.add(weighed.sets)
        return parts.loss * forward_pass.share, weighed.sets

    def _weigh(self, forward_pass: ForwardPass, logps: Tensor) -> Weighed:
        """logps: [N, T], 0 where there is no token."""
        if not forward_pass.set_rewards:
            given = forward_pass.weights
            return Weighed(
                advantages=forward_pass.advantages,
                weights=None if given is None else given.to(logps),
            )
        return weigh(
            logps.sum(dim=1),
            forward_pass.advantages,
            forward_pass.set_rewards,
            [len(group.completions) for group in forward_pass.groups],
            num_generations=self._settings.num_generations,
            scale=self._settings.advantage_scale,
        )

    def _reference_logps(self, packed: PackedGroups, features: list[Tensor]) -> Tensor | None:
        """The base model's, which is the policy with its adapter off; None where beta is 0."""
        if self._settings.beta == 0:
            return None
        temperature = self._settings.temperature
        with torch.no_grad(), self.policy.model.disable_adapter():
            return self.policy.log_probabilities(packed, features, temperature).logps
