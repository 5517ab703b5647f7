"""Numbers in Chinese numerals: 三, 十二, 兩百, 壹佰, 一百零五, 3萬; simplified and traditional."""

import re
from collections.abc import Iterator, Sequence

from reward_service.mention import Mention, mention_of
from reward_service.parsed_count import NoCountReason

_DIGITS = {
    character: digit
    for digit, characters in enumerate(
        ("零〇", "一壹", "二貳贰兩两", "三參叁叄", "四肆", "五伍", "六陸陆", "七柒", "八捌", "九玖")
    )
    for character in characters
}
_UNITS = {
    character: unit
    for unit, characters in ((10, "十拾"), (100, "百佰"), (1000, "千仟"))
    for character in characters
}
_MYRIADS = {"萬": 10**4, "万": 10**4, "億": 10**8, "亿": 10**8}
UNIT_CHARACTERS = "".join([*_UNITS, *_MYRIADS])
_CHARACTERS = "".join(_DIGITS) + UNIT_CHARACTERS
# 零件 is a part of a machine, with a measure word's character in it.
_RUN = re.compile(f"(?:(?!零件)[0-9{_CHARACTERS}])+")
_ATOM = re.compile(r"[0-9]+|.")
_MAX_RUN = 40


def find_chinese_numbers(text: str) -> Iterator[Mention]:
    """Every run of numerals that is a number, digits before a unit included; linear in the text."""
    for match in _RUN.finditer(text):
        start, run = match.start(), match.group()
        if run.isascii():
            continue
        strict = run == "十" or not any(character in UNIT_CHARACTERS for character in run)
        if _is_approximate(run) or _is_tens_of(text, start):
            yield Mention(start=start, end=match.end(), fault=NoCountReason.RANGE, strict=strict)
            continue
        value = _value(run)
        if value is not None:
            yield mention_of(start, match.end(), value, strict=strict)


def _is_approximate(run: str) -> bool:
    """Whether a run ends in two digits that mean "about": 三四, 三五, 兩三, 十七八."""
    if len(run) < 2 or any(character in "零〇" for character in run):
        return False
    low, high = (_DIGITS.get(character, 0) for character in run[-2:])
    if not low or (len(run) > 2 and run[-3] not in UNIT_CHARACTERS):
        return False
    return high == low + 1 or (low, high) == (3, 5)


def _is_tens_of(text: str, start: int) -> bool:
    """Whether 幾十, 數百 and the like stand there; 總數十 is a total of ten."""
    if start == 0 or text[start] not in UNIT_CHARACTERS:
        return False
    is_total = start > 1 and text[start - 2] in "總总"
    return text[start - 1] in "幾几" or (text[start - 1] in "數数" and not is_total)


def _value(run: str) -> int | None:
    """The value of a run of numerals, or None where it is not a number."""
    if len(run) > _MAX_RUN:
        return None
    if all(character in _DIGITS for character in run):
        if len(run) > 1 and any(character in "兩两" for character in run):
            return None
        return int("".join(str(_DIGITS[character]) for character in run))
    return _sum_of_myriads(_ATOM.findall(run))


def _sum_of_myriads(atoms: Sequence[str]) -> int | None:
    """Sections of four digits, each times 億 or 萬, largest first."""
    total, last_myriad, section = 0, 10**12, list[str]()
    for atom in atoms:
        myriad = _MYRIADS.get(atom)
        if myriad is None:
            section.append(atom)
            continue
        value = _section(section)
        if not value or myriad >= last_myriad:
            return None
        total, last_myriad, section = total + value * myriad, myriad, []
    if not section:
        return total
    rest = _section(section)
    if rest is None:
        return None
    is_shorthand = len(section) == 1 and section[0] not in _UNITS and last_myriad < 10**12
    return total + rest * (last_myriad // 10 if is_shorthand else 1)  # 一萬二 is 12,000


def _section(atoms: Sequence[str]) -> int | None:
    """Digits with 千, 百 and 十, largest first; digits in ASCII may be alone or before a unit."""
    if len(atoms) == 1 and atoms[0].isdecimal():
        return int(atoms[0]) if len(atoms[0]) <= 4 else None
    value, last_unit, digit, after_zero = 0, 10**4, None, False
    for atom in atoms:
        unit = _UNITS.get(atom)
        if unit is None:
            number = _digit(atom)
            if number is None or digit is not None:
                return None
            after_zero, digit = (True, None) if number == 0 else (after_zero, number)
            continue
        if unit >= last_unit or (digit is None and unit != 10):
            return None
        value, last_unit = value + (digit or 1) * unit, unit
        digit, after_zero = None, False
    if digit is None:
        return None if after_zero else value
    is_shorthand = not after_zero and last_unit in (100, 1000)  # 兩百五 is 250
    return value + digit * (last_unit // 10 if is_shorthand else 1)


def _digit(atom: str) -> int | None:
    if atom in _DIGITS:
        return _DIGITS[atom]
    return int(atom) if len(atom) == 1 and atom.isascii() and atom.isdecimal() else None
