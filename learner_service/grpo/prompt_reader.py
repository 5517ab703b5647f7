"""What a step's groups are sampled from, made ready before they are asked for."""

from collections.abc import Sequence

from learner_service.clients.rollouts import Prompt
from learner_service.data.dataset import Row
from learner_service.grpo.groups import PromptStage, PublishedAdapter
from learner_service.one_pass import ReadingOnce
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from learner_service.policy.prompt_reading import PolicyPrompt, read_prompt
from learner_service.policy.threads import worthwhile_threads
from tally.torch_engine.kv_cache import ReadPrompt
from tally.traces.spans import span

_Key = tuple[tuple[int, ...], str]  # a prompt's tokens and its image's digest


class PromptReader:
    """For a job that samples from its own policy: vision features, before the engine asks, so that
    their last bits depend on the data alone; and, in steps of one pass, prompts that are read once.

    `find` is what the engine goes on from, `take` what is learnt through. Each prompt has a graph
    of its own: one that nothing is learnt from costs no backward pass.
    """

    def __init__(self, policy: Policy, stage: PromptStage, reading: ReadingOnce) -> None:
        self._policy = policy
        self._stage = stage
        self._reading = reading
        self._read: dict[_Key, PolicyPrompt] = {}
        self._adapter_digest = ""

    def prepare(self, batches: Sequence[Sequence[Row]], adapter: PublishedAdapter) -> None:
        """`batches` has the rows of a step's passes; the policy's weights are those of `adapter`,
        unless it samples with earlier ones."""
        for batch in batches:
            self._stage.features([row.image_digest for row in batch])
        self._read, self._adapter_digest = {}, adapter.digest
        if len(batches) != 1:
            return
        prompts = [(row, self._stage.prompt(row, seed=0)) for row in batches[0]]
        if self._reading.of_prompts([len(prompt.token_ids) for _, prompt in prompts]):
            with span("read prompts", prompts=len(prompts)):
                for row, prompt in prompts:
                    group = self._group(row, prompt)
                    self._read[_key(group, row.image_digest)] = self._read_one(
                        group, row.image_digest
                    )

    def find(self, prompt: Prompt, adapter_digest: str) -> ReadPrompt | None:
        """As `prompt` was read with this adapter; None where it was not."""
        read = self._read.get((prompt.token_ids, prompt.image_digest))
        return read.detach() if read and adapter_digest == self._adapter_digest else None

    def take(
        self, groups: Sequence[Group], image_digests: Sequence[str]
    ) -> list[PolicyPrompt] | None:
        """Those of `groups`, and forgets all; None where the step's prompts were not read.

        A row that came in the place of another is read now.
        """
        if not self._read:
            return None
        read, self._read = self._read, {}
        return [
            read.get(_key(group, digest)) or self._read_one(group, digest)
            for group, digest in zip(groups, image_digests, strict=True)
        ]

    def _group(self, row: Row, prompt: Prompt) -> Group:
        return Group(
            prompt_ids=prompt.token_ids,
            position_ids=self._stage.position_ids(prompt, row),
            completions=[],
            sampler_logps=[],
        )

    def _read_one(self, group: Group, image_digest: str) -> PolicyPrompt:
        features = self._stage.features([image_digest])
        policy, tokens = self._policy, len(group.prompt_ids)
        with worthwhile_threads(policy.device, tokens, policy.hidden_size):
            return read_prompt(policy, group.prompt_ids, group.position_ids, features)


def _key(group: Group, image_digest: str) -> _Key:
    return tuple(group.prompt_ids), image_digest
