"""Ways to say that there is nothing: "no apples", "none", "there aren't any", "沒有"."""

import re

from reward_service.clue_words import Kind
from reward_service.clues import Clue
from reward_service.english_numbers import NUMBER_WORDS
from reward_service.mention import Mention
from reward_service.phrases import any_of

# After "no" or "any" these don't name an object: "no more than 3", "no, there are", "no idea".
# fmt: off
_NOT_OBJECTS = NUMBER_WORDS | {
    "more", "less", "fewer", "longer", "idea", "way", "doubt", "matter", "problem", "need",
    "other", "others", "additional", "further", "there", "it", "i", "this", "that", "these",
    "those", "they", "we", "you", "he", "she", "the", "and", "or", "but", "not", "a", "an", "is",
    "are", "in", "exact", "clear", "certain", "particular", "specific", "question", "wait",
    "number",
}
# fmt: on
_OTHERS = rf"{any_of(_NOT_OBJECTS)}(?![a-z']|[-–][a-z])"
_OBJECT = re.compile(rf"[ \t]{{1,3}}(?!{_OTHERS})[a-z]")
_ANY = re.compile(
    r"[ \t]{1,3}(?:[a-z']{1,20}[ \t]{1,3})?"
    rf"(?:any(?![a-z])(?![ \t]{{1,3}}{_OTHERS})|a single\b)"
)


def read_absence(text: str, clue: Clue) -> Mention | None:
    """The absence that the clue begins, as a mention of 0, if it does."""
    if clue.kind is Kind.ABSENCE:
        return Mention(clue.start, clue.end, value=0)
    if clue.kind is Kind.NOTHING:
        return Mention(clue.start, clue.end, value=0, weak=True)
    if clue.kind is Kind.NO:
        return Mention(clue.start, clue.end, value=0) if _OBJECT.match(text, clue.end) else None
    match = _ANY.match(text, clue.end)
    return Mention(clue.start, match.end(), value=0) if match else None
