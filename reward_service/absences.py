"""What makes a "no" or a "not" say that there is nothing: "no apples", "there aren't any"."""

import re

from reward_service.english_numbers import NUMBER_WORDS
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
# What follows "no".
OBJECT_AFTER = re.compile(rf"(?=[ \t]{{1,3}}(?!{_OTHERS})[a-z])")
# What follows "not", "don't" and the like, and belongs to what they say.
ANY_AFTER = re.compile(
    r"[ \t]{1,3}(?:[a-z']{1,20}[ \t]{1,3})?"
    rf"(?:any(?![a-z])(?![ \t]{{1,3}}{_OTHERS})|a single\b)"
)
