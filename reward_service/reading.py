"""Every number of a text that may be a count."""

from reward_service.absences import find_absences
from reward_service.chinese_numbers import find_chinese_numbers
from reward_service.digit_numbers import find_digit_numbers
from reward_service.english_numbers import find_english_numbers
from reward_service.english_words import english_words
from reward_service.faults import with_fault
from reward_service.labels import is_label
from reward_service.mention import Mention, without_overlaps
from reward_service.ranges import join_ranges


def read_mentions(text: str) -> list[Mention]:
    """The counts and the faulty numbers of a normal text, in order; linear in the text."""
    words = english_words(text)
    found = without_overlaps(
        [
            *find_digit_numbers(text),
            *find_english_numbers(words),
            *find_chinese_numbers(text),
            *find_absences(text, words),
        ]
    )
    joined = join_ranges(text, found)
    return [with_fault(text, mention) for mention in joined if not is_label(text, mention)]
