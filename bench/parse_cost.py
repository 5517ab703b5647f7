"""What reading an answer costs, ordinary ones and the slowest that a search finds.

    python -m bench.parse_cost [--minutes 60] [--seed 1] [--quick]

The search mutates lists of fragments, each repeated to the length that is asked for, and keeps
those that cost most CPU a character. What it ends with is measured at several lengths, in CPU time
of this process, so that what else the machine does hardly matters.
"""

from collections.abc import Sequence

from bench import slowest
from bench.measure import cpu_seconds
from bench.report import options, print_json, print_table
from bench.slowest import Candidate
from reward_service.parse import parse_count
from reward_service.phrases import split
from reward_service.rewards import REWARDS
from reward_service.score import Answer, WeightedReward, score_answer

LENGTHS = (300, 1_000, 10_000, 100_000)
_ALL_REWARDS = [WeightedReward(reward=reward, weight=1.0) for reward in REWARDS.values()]
_SIGNS = "0123456789 .,:;-–~/+=*_<>()[]{}|#$%'\"!?\n\t①½é😀\u200b\u3000５Ａ。、"
_CHARACTERS = "零一二三十百千萬億兩半多個顆隻張打對雙倆第共約無沒到或和的是幾數"
# A phrase each, with a blank at its end where it has letters.
_ENGLISH = """
one|two|twenty|hundred|and|a|an|dozen|half a dozen|a couple of|a pair|a pair of shoes|no|not
none|any|don't see any|not a single|nothing|a photo of|a photo of 3|a photo of an|at least|about
more than|over|or more|or so|to|or|between|3 or 4|point|minus|1,111|1.1|.5|1/2|3rd|No. 3|image
the|of them|of the|in|on|so|total|in total|answer:|answer is|count:|number of
number of apples is|wait,|no,|actually|sum|equals|=>|->|=|+|1, 2, 3,|apples|red|is|are|cm
o'clock|january|every|each|this one
"""
_GLUED = """
one|-one|n't|1,111|<answer>|</answer>|\\boxed{|</think>|####|~~|<b>|</a|__|$5$|x|a
沒有|一個也沒有|不是|總共|答案是|所以|不對,|其中|三個紅的|四個綠的|左邊|三到五個|三點五|十幾個
一打|一雙鞋|廿四|卅|一個蘋果也沒有|一個大蘋果也|一張照片|看不到任何|大約|左右|以上|三明治|等一下
"""
FRAGMENTS = [
    *_SIGNS,
    *_CHARACTERS,
    *(f"{phrase} " for phrase in split(_ENGLISH)),
    *split(_GLUED),
    "1. a\n",
    "2. b\n",
]
ORDINARY = (
    "3",
    "A photo of 3 apples",
    "There are 7 apples in the image.",
    "A photo of twenty-one red apples on a wooden table.",
    "圖片中有3個蘋果。",
    "總共有十二個蘋果",
    "A photo of no apples",
    "I can see several apples: two on the left and three on the right, so there are five.",
)


def text_of(fragments: Sequence[str], characters: int) -> str:
    """The fragments one after another, again and again, cut to a length."""
    piece = "".join(fragments) or " "
    return (piece * (characters // len(piece) + 1))[:characters]


def search(seed: int, minutes: float, characters: int) -> list[Candidate[str]]:
    """The slowest candidates that are found within the minutes, the slowest first."""

    def cost_of(fragments: Sequence[str]) -> float:
        return measure(fragments, characters)

    kept = slowest.search(FRAGMENTS, cost_of, seed=seed, minutes=minutes)
    best = [
        Candidate(fragments=one.fragments, cost=measure(one.fragments, characters, repeats=7))
        for one in kept
    ]
    return sorted(best, key=lambda candidate: -candidate.cost)


def measure(fragments: Sequence[str], characters: int, repeats: int = 2) -> float:
    """Seconds a character of reading a text and all its rewards: no call of the service does more
    with it."""
    answer = Answer(text=text_of(fragments, characters), true_count=3)
    return cpu_seconds(lambda: score_answer(answer, _ALL_REWARDS), repeats) / characters


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long to search")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--characters", type=int, default=2_000, help="length while searching")
    chosen = parser.parse_args()
    minutes = 0.1 if chosen.quick else chosen.minutes
    found = search(chosen.seed, minutes, chosen.characters)
    ordinary = {text: 1e6 * _ordinary_seconds(text) for text in ORDINARY}
    print_table(["ordinary answer", "µs"], [[text, cost] for text, cost in ordinary.items()])
    by_length = {}
    for length in LENGTHS:
        costs = [measure(one.fragments, length, repeats=15) for one in found[:8]]
        by_length[length] = 1e6 * max(costs)
    print_table(["characters", "slowest, µs a character"], [[n, c] for n, c in by_length.items()])
    settings = {"seed": chosen.seed, "minutes": minutes, "characters": chosen.characters}
    figures = {"ordinary": ordinary, "slowest": by_length, "text": "".join(found[0].fragments)}
    print_json("parse_cost", settings, figures)


def _ordinary_seconds(text: str, calls: int = 500) -> float:
    return cpu_seconds(lambda: [parse_count(text) for _ in range(calls)], repeats=5) / calls


if __name__ == "__main__":
    main()
