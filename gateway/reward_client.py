"""The gateway's view of reward.v1: counts of answers, names of rewards."""

from dataclasses import dataclass

from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.channel import open_channel
from tally.rpc.errors import translate_errors
from tally.rpc.settings import ClientSettings

_BATCH = 1_000
_SERVICE = "tally.reward.v1.RewardService"
_IDEMPOTENT_METHODS = (f"{_SERVICE}/Parse", f"{_SERVICE}/ListRewards")


@dataclass(frozen=True)
class ParsedAnswer:
    """A count, or in `why` what is wrong with the answer and what would be right."""

    count: int
    why: str | None


class RewardClient:
    """Raises the exceptions of `tally.rpc.errors`."""

    def __init__(self, settings: ClientSettings) -> None:
        self._channel = open_channel(settings, idempotent_methods=_IDEMPOTENT_METHODS)
        self._stub = reward_pb2_grpc.RewardServiceStub(self._channel)

    async def parse(self, answers: list[str]) -> list[ParsedAnswer]:
        """Reads the count of each answer, in order."""
        parsed: list[ParsedAnswer] = []
        for start in range(0, len(answers), _BATCH):
            request = reward_pb2.ParseRequest(texts=answers[start : start + _BATCH])
            async with translate_errors():
                response = await self._stub.Parse(request)
            parsed += map(_to_answer, response.parsed_counts)
        return parsed

    async def reward_names(self) -> set[str]:
        async with translate_errors():
            response = await self._stub.ListRewards(reward_pb2.ListRewardsRequest())
        return {reward.name for reward in response.rewards}

    async def close(self) -> None:
        await self._channel.close()


def _to_answer(parsed: reward_pb2.ParsedCount) -> ParsedAnswer:
    if parsed.HasField("count"):
        return ParsedAnswer(parsed.count, None)
    why = parsed.explanation or "the answer holds no count; write 'A photo of 3 apples'"
    return ParsedAnswer(parsed.count, why)
