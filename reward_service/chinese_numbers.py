"""Numbers in Chinese numerals: 三, 十二, 廿四, 兩百, 壹佰, 一百零五, 3萬; both scripts."""

import re
from collections.abc import Sequence

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
UNIT_CHARACTERS = frozenset({*_UNITS, *_MYRIADS})
_TWENTIES = {"廿": "二十", "卄": "二十", "卅": "三十", "卌": "四十"}
_NUMERALS = "".join([*_DIGITS, *_TWENTIES, *_UNITS, *_MYRIADS])
# Digits may begin a run and be in it. 零件 is a part of a machine, with a numeral in it.
NUMERALS = f"[0-9]*+(?!零件)[{_NUMERALS}](?:(?!零件)[0-9{_NUMERALS}])*+"
_ATOM = re.compile(r"[0-9]+|.")
_MAX_RUN = 40


def read_numerals(text: str, start: int, end: int) -> Mention | None:
    """The number that NUMERALS found there, or None where it is none."""
    run = text[start:end]
    if len(run) > _MAX_RUN:
        return None
    if not _TWENTIES.keys().isdisjoint(run):
        for short, long in _TWENTIES.items():
            run = run.replace(short, long)
    has_unit = not UNIT_CHARACTERS.isdisjoint(run)
    strict = end - start == 1 or not has_unit
    if _is_approximate(run) or _is_tens_of(text, start):
        return Mention(start, end, fault=NoCountReason.RANGE, strict=strict)
    value = _sum_of_myriads(_ATOM.findall(run)) if has_unit else _value_of_digits(run)
    return None if value is None else mention_of(start, end, value, strict=strict)


def _is_approximate(run: str) -> bool:
    """Whether a run ends in two digits that mean "about": 三四, 三五, 兩三, 十七八."""
    if len(run) < 2 or run[-1] not in _DIGITS or run[-2] not in _DIGITS:
        return False
    low, high = _DIGITS[run[-2]], _DIGITS[run[-1]]
    if not low or (high != low + 1 and (low, high) != (3, 5)):
        return False
    return "零" not in run and "〇" not in run and (len(run) == 2 or run[-3] in UNIT_CHARACTERS)


def _is_tens_of(text: str, start: int) -> bool:
    """Whether 幾十, 數百 and the like stand there; 總數十 is a total of ten."""
    if start == 0 or text[start] not in UNIT_CHARACTERS:
        return False
    is_total = start > 1 and text[start - 2] in "總总"
    return text[start - 1] in "幾几" or (text[start - 1] in "數数" and not is_total)


def _value_of_digits(run: str) -> int | None:
    """The value of numerals without a unit, one after another: 二〇二四; 兩 is none of these."""
    if len(run) > 1 and ("兩" in run or "两" in run):
        return None
    digits = [_DIGITS.get(character) for character in run]
    return None if None in digits else int("".join(map(str, digits)))


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
