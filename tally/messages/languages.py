"""The languages that errors are said in."""

from enum import StrEnum


class Language(StrEnum):
    """By its tag, as the header Content-Language and the file of its sentences have it."""

    ENGLISH = "en"
    CHINESE = "zh-TW"
