"""Whether exact_counts can write counts into what the model answers that training begins with."""

from collections.abc import Sequence

from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import Rollouts, Sampling
from learner_service.data.count_form import NoCountForm
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.spec import Training
from tally.messages.message import Message


async def find_unwritten(
    rollouts: Rollouts,
    rewards: RewardClient,
    prompter: Prompter,
    training: Training,
    rows: Sequence[Row],
) -> list[Message]:
    """Why not, of each row of which not. Raises RolloutsUnavailable."""
    config, most = training.config, training.config.max_new_tokens
    prompts = [prompter.prompt(row, config.seed) for row in rows]
    greedy = await rollouts.generate(prompts, training.adapter_digest, Sampling.greedy(most))
    answers = [answer for [answer] in greedy]
    texts = [prompter.answer(answer) for answer in answers]
    scores = await rewards.score(texts, [row.true_count for row in rows])
    reasons = []
    for answer, score in zip(answers, scores, strict=True):
        try:
            prompter.written_counts(answer, score.span, config.last_count(0), most)
        except NoCountForm as reason:
            reasons.append(reason.message)
    return reasons
