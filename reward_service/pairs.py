"""Twos and dozens that have words of their own: "a pair", "a trio", 一對, 兩打, 倆."""

import re

from reward_service.mention import Mention, mention_of
from reward_service.parsed_count import NoCountReason
from reward_service.phrases import any_of, split

_SIZES = {"pair": 2, "duo": 2, "trio": 3, "quartet": 4, "single": 1, "lone": 1, "solitary": 1}
# What comes in pairs: a pair of them may be said to be one or two.
_PAIRED = """
shoe|sock|boot|glove|glasses|scissors|pants|trousers|jeans|shorts|earring|chopstick|slipper|sandal
mitten|sunglasses|binoculars|headphones|skate|ski|pliers|tweezers|heels|sneaker
"""
_OF_PAIRED = re.compile(rf"\s{{1,3}}of\s(?:[a-z]{{1,12}}\s){{0,2}}{any_of(split(_PAIRED))}")
_PAIRED_HAN = re.compile(r"[^,。;、\s]{0,2}[鞋襪袜筷靴屐]|[^,。;、\s]{0,2}(?:手套|耳環|耳环)")
_DOZEN = re.compile(r"打(?![開开電电擊击聽听算扮掃扫架招造破斷断包印字工針针滾滚結结])")
_PAIRS = re.compile(r"[對对雙双](?![一於于應应方面比手向])")
_SET_SIGNS = frozenset("打對对雙双")
_ARTICLES = ("a", "one", "just a", "only a")
SETS = {f"{article} {word}": size for article in _ARTICLES for word, size in _SIZES.items()}
SETS_HAN = {"半打": 6, "倆": 2, "俩": 2, "仨": 3}


def read_set(text: str, start: int, end: int) -> Mention | None:
    """The count that one of SETS says there; None for a pair of what comes in pairs."""
    if text.startswith("pair", end - 4) and _OF_PAIRED.match(text, end):
        return None
    return mention_of(start, end, SETS[text[start:end]])


def read_set_han(text: str, start: int, end: int) -> Mention | None:
    """The count that one of SETS_HAN says there; 伎倆 is a trick."""
    if text[start - 1 : start] == "伎":
        return None
    return mention_of(start, end, SETS_HAN[text[start:end]])


def widen_by_set(text: str, mention: Mention) -> Mention | None:
    """A number with the dozens or the pair behind it: 兩打 is 24, 一對 is 2, 三雙 is 3 or 6."""
    if mention.value is None or text[mention.end : mention.end + 1] not in _SET_SIGNS:
        return mention
    end = mention.end + 1
    if _DOZEN.match(text, mention.end):
        return mention_of(mention.start, end, mention.value * 12)
    if not _PAIRS.match(text, mention.end):
        return mention
    if mention.value != 1:
        return Mention(mention.start, end, fault=NoCountReason.SEVERAL_COUNTS)
    is_paired = _PAIRED_HAN.match(text, end)
    return None if is_paired else mention_of(mention.start, end, 2)
