"""Numbers written out, independently of the parser: what the properties round-trip through."""

# fmt: off
_BELOW_TWENTY = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
_TENS = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
]
# fmt: on


def english(number: int, *, hyphen: str = "-", joint: str = " and ") -> str:
    """0 to 999,999 in words, with "and" before what follows a hundred."""
    if number < 20:
        return _BELOW_TWENTY[number]
    if number < 100:
        rest = f"{hyphen}{_BELOW_TWENTY[number % 10]}" if number % 10 else ""
        return _TENS[number // 10] + rest
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    head, rest_number = divmod(number, unit)
    words = f"{english(head, hyphen=hyphen, joint=joint)} {name}"
    if not rest_number:
        return words
    glue = joint if rest_number < 100 else " "
    return words + glue + english(rest_number, hyphen=hyphen, joint=joint)


TRADITIONAL = ("零一二三四五六七八九", "十百千", "萬")
SIMPLIFIED = ("零一二三四五六七八九", "十百千", "万")
FINANCIAL = ("零壹貳參肆伍陸柒捌玖", "拾佰仟", "萬")
FINANCIAL_SIMPLIFIED = ("零壹贰叁肆伍陆柒捌玖", "拾佰仟", "万")


def chinese(number: int, script: tuple[str, str, str] = TRADITIONAL) -> str:
    """0 to 99,999,999 in numerals, one 零 for each gap, 十二 and not 一十二."""
    digits, units, myriad = script
    if number == 0:
        return digits[0]
    high, low = divmod(number, 10_000)
    text = chinese(high, script) + myriad if high else ""
    if high and 0 < low < 1000:
        text += digits[0]
    text += _section(low, digits, units)
    return text.removeprefix(digits[1]) if text.startswith(digits[1] + units[0]) else text


def _section(number: int, digits: str, units: str) -> str:
    text, gap = "", False
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit == 0:
            gap = bool(text)
            continue
        text += digits[0] * gap + digits[digit] + (units[power - 1] if power else "")
        gap = False
    return text


def full_width(text: str) -> str:
    """Printable ASCII in its full-width forms."""
    return "".join(
        "\u3000" if c == " " else chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    )
