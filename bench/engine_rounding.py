"""Whether what the torch engine says of a group depends on the groups that are decoded beside it.

Each group is asked for alone, alone once more, and then all of them at once. Tokens follow from a
group's seed and its distribution; log-probabilities are told as they were computed, and a product
of more rows is added up in another order.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.report import options, print_json, print_table
from bench.rollout_workload import Workload
from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.samples.small_policy import POLICY_PATH
from tally.sampling.engine import Completion, GenerationRequest, LocalBlob

_GROUP = 8
_TOKENS = 12
_SIDE_PIXELS = 112

Groups = Sequence[Sequence[Completion]]


class _Round(NamedTuple):
    groups: Groups
    seconds: float


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--groups", type=int, default=64, help="how many groups")
    arguments = parser.parse_args()
    number = 8 if arguments.quick else arguments.groups
    with tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(_sample(number, Path(folder)))
    alone = rounds["alone"]
    figures = {
        name: {"seconds": one.seconds, **_differences(alone.groups, one.groups)}
        for name, one in rounds.items()
    }
    columns = ["asked for", "s", "other tokens than alone", "other log-probabilities", "most"]
    print_table(columns, [[name, *one.values()] for name, one in figures.items()])
    settings = {"groups": number, "completions": _GROUP, "tokens": _TOKENS}
    print_json("engine_rounding", settings, figures)


async def _sample(number: int, folder: Path) -> dict[str, _Round]:
    engine = torch_engine(RolloutSettings(model=str(POLICY_PATH), torch_threads=1))
    await engine.load()
    requests = _requests(number, folder)

    async def alone() -> Groups:
        return [await engine.generate(request) for request in requests]

    async def together() -> Groups:
        return await asyncio.gather(*map(engine.generate, requests))

    await alone()  # encodes every image
    rounds = {
        "alone": await _time(alone),
        "alone again": await _time(alone),
        "together": await _time(together),
    }
    await engine.close()
    return rounds


async def _time(sample: Callable[[], Awaitable[Groups]]) -> _Round:
    started = time.perf_counter()
    groups = await sample()
    return _Round(groups, time.perf_counter() - started)


def _requests(number: int, folder: Path) -> list[GenerationRequest]:
    workload = Workload(str(POLICY_PATH), number, _SIDE_PIXELS, folder)

    def blob(digest: str) -> LocalBlob:
        return LocalBlob(digest=digest, path=workload.store.path(digest))

    return [
        GenerationRequest(
            prompt_token_ids=prompt.token_ids,
            num_completions=_GROUP,
            temperature=1.0,
            max_new_tokens=_TOKENS,
            image=blob(prompt.image_digest),
            adapter=blob(workload.adapter_digest),
            seed=prompt.seed,
        )
        for prompt in workload.round(1)
    ]


def _differences(these: Groups, those: Groups) -> dict[str, float]:
    """How many completions have other tokens; of the rest, the share of log-probabilities that are
    not the same number, and the largest difference."""
    pairs = [pair for two in zip(these, those, strict=True) for pair in zip(*two, strict=True)]
    alike = [(one, other) for one, other in pairs if one.token_ids == other.token_ids]
    gaps = [
        abs(one - other)
        for pair in alike
        for one, other in zip(*(c.log_probabilities for c in pair), strict=True)
    ]
    return {
        "other_tokens": len(pairs) - len(alike),
        "share_of_other_log_probabilities": sum(gap > 0 for gap in gaps) / len(gaps),
        "largest_difference": max(gaps),
    }


if __name__ == "__main__":
    main()
