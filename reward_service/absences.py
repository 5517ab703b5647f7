"""Ways to say that there is nothing: "no apples", "none", "there aren't any", "沒有"."""

import re
from collections.abc import Iterator, Sequence

from reward_service.english_numbers import NUMBER_WORDS
from reward_service.english_words import Word
from reward_service.mention import Mention, mention_of

# After "no" or "any" these don't name an object: "no more than 3", "no, there are", "no idea".
# fmt: off
_NOT_OBJECTS = NUMBER_WORDS | {
    "more", "less", "fewer", "longer", "idea", "way", "doubt", "matter", "problem", "need",
    "other", "others", "additional", "further", "there", "it", "i", "this", "that", "these",
    "those", "they", "we", "you", "he", "she", "the", "and", "or", "but", "not", "a", "an", "is",
    "are", "in",
}
# fmt: on
_NEGATIONS = {"not", "cannot", "without", "dont", "doesnt", "arent", "isnt"}
_NOTHING = re.compile(
    r"(?<!有)[沒没]有(?!辦法|办法|問題|问题|關係|关系|其他|其它|更多|別的|别的)"
    r"|^\s{0,9}[無无](?=[。.!]?\s{0,9}$)"
)


def find_absences(text: str, words: Sequence[Word]) -> Iterator[Mention]:
    """Every absence as a mention of 0; those of either language in order, linear in the text."""
    for index, word in enumerate(words):
        if word.text == "none" or (word.text == "no" and _names_object(words, index)):
            yield mention_of(word.start, word.end, 0)
        elif word.text in _NEGATIONS or word.text.endswith("n't"):
            yield from _any_after(words, index)
    for match in _NOTHING.finditer(text):
        yield mention_of(match.start(), match.end(), 0)


def _names_object(words: Sequence[Word], index: int) -> bool:
    """Whether the word at `index` is followed by an object, in the same clause."""
    if index + 1 >= len(words) or not words[index].joins_by_space:
        return False
    following = words[index + 1].text
    return following[0].isalpha() and following not in _NOT_OBJECTS


def _any_after(words: Sequence[Word], index: int) -> Iterator[Mention]:
    """ "aren't any", "don't see any", "not a single": at most one word between."""
    for at in (index + 1, index + 2):
        if at >= len(words) or not words[at - 1].joins_by_space:
            return
        is_any = words[at].text == "any" and (
            at + 1 >= len(words) or words[at + 1].text not in _NOT_OBJECTS
        )
        is_single = words[at].text == "a" and at + 1 < len(words) and words[at + 1].text == "single"
        if is_any or is_single:
            yield mention_of(words[index].start, words[at].end, 0)
            return
