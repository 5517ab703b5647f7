"""The gateway's view of reward.v1: counts of answers, names of rewards."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.turns import Turns
from tally.messages.message import Message
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.batches import batches
from tally.rpc.channel import open_channel
from tally.rpc.errors import translate_errors
from tally.rpc.settings import ClientSettings
from tally.text.sinks import to_line

# A fraction of a second of the reward service's time, whatever the answers say.
_BATCH, _BATCH_CHARACTERS = 1_000, 100_000
_BATCHES_AT_ONCE = 2
_MAX_ANSWER_CHARACTERS = 100_000
_SERVICE = "tally.reward.v1.RewardService"
_MOST_SHOWN_CHARACTERS = 60
NO_COUNT_CODES = {
    reward_pb2.NO_COUNT_REASON_EMPTY: "answer_empty",
    reward_pb2.NO_COUNT_REASON_NO_NUMBER: "answer_no_number",
    reward_pb2.NO_COUNT_REASON_DECIMAL: "answer_decimal",
    reward_pb2.NO_COUNT_REASON_NEGATIVE: "answer_negative",
    reward_pb2.NO_COUNT_REASON_RANGE: "answer_range",
    reward_pb2.NO_COUNT_REASON_SEVERAL_COUNTS: "answer_several_counts",
    reward_pb2.NO_COUNT_REASON_TOO_LARGE: "answer_too_large",
}
_IDEMPOTENT_METHODS = (f"{_SERVICE}/Parse", f"{_SERVICE}/ListRewards")


@dataclass(frozen=True, kw_only=True)
class KnownReward:
    """What the service says of a reward; `fault` says why it can't be used, and is empty else."""

    name: str
    description: str
    package: str
    fault: str


@dataclass(frozen=True)
class ParsedAnswer:
    """A count, or in `why` what is wrong with the answer and what would be right."""

    count: int
    why: Message | None


class RewardClient:
    """Raises the exceptions of `tally.rpc.errors`."""

    def __init__(self, settings: ClientSettings, secret: str | None = None) -> None:
        self._channel = open_channel(
            settings, idempotent_methods=_IDEMPOTENT_METHODS, secret=secret
        )
        self._stub = reward_pb2_grpc.RewardServiceStub(self._channel)
        self._turns = Turns(_BATCHES_AT_ONCE)

    async def parse(self, answers: Sequence[str]) -> list[ParsedAnswer]:
        """Reads the count of each answer, in order; one beyond the contract's length is refused.

        Many answers take turns with those of other callers, whoever has had least before.
        """
        known = {text: _refuse_long(text) for text in answers if len(text) > _MAX_ANSWER_CHARACTERS}
        texts = [text for text in dict.fromkeys(answers) if text not in known]
        had_characters = 0
        for batch in batches(texts, most=_BATCH, most_in_all=_BATCH_CHARACTERS, size=len):
            async with self._turns.take(had_characters), translate_errors():
                response = await self._stub.Parse(reward_pb2.ParseRequest(texts=batch))
            known |= zip(batch, map(_to_answer, batch, response.parsed_counts), strict=True)
            had_characters += sum(map(len, batch))
        return [known[text] for text in answers]

    async def rewards(self) -> list[KnownReward]:
        """Those that a training may name, the built-in ones first."""
        async with translate_errors():
            response = await self._stub.ListRewards(reward_pb2.ListRewardsRequest())
        return [_to_reward(reward) for reward in response.rewards]

    async def close(self) -> None:
        await self._channel.close()


def _refuse_long(answer: str) -> ParsedAnswer:
    characters, most = len(answer), _MAX_ANSWER_CHARACTERS
    return ParsedAnswer(0, Message("answer_too_long", characters=characters, most=most))


def _to_answer(answer: str, parsed: reward_pb2.ParsedCount) -> ParsedAnswer:
    if parsed.HasField("count"):
        return ParsedAnswer(parsed.count, None)
    code = NO_COUNT_CODES.get(parsed.no_count_reason, "answer_without_count")
    explanation = parsed.explanation or "the answer holds no count; write 'A photo of 3 apples'"
    return ParsedAnswer(0, Message(code, answer=_cut(answer), explanation=explanation))


def _to_reward(reward: reward_pb2.Reward) -> KnownReward:
    return KnownReward(
        name=reward.name,
        description=reward.description,
        package=reward.package,
        fault=reward.fault,
    )


def _cut(answer: str) -> str:
    most = _MOST_SHOWN_CHARACTERS
    return to_line(answer) if len(answer) <= most else f"{to_line(answer[:most])}…"
