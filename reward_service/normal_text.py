"""One spelling for characters that mean the same."""

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SPACES = dict.fromkeys([0x3000, 0x00A0, 0x2007, 0x2009, 0x202F], " ")
_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFE0E, 0xFE0F, 0xFEFF])
_MINUS = dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2212, 0xFE63], "-")
_TILDES = dict.fromkeys([0x301C, 0x223C, 0x02DC], "~")
_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}
# The digits of mathematical alphabets: bold, double-struck, sans-serif, monospace.
_STYLED_DIGITS = {0x1D7CE + offset: str(offset % 10) for offset in range(50)}
# The only letter whose lower case is longer than itself: places in both cases stay the same.
_DOTTED_I = {0x0130: "I"}
_TABLE: dict[int, int | str | None] = {
    **_FULL_WIDTH,
    **_SPACES,
    **_INVISIBLE,
    **_MINUS,
    **_TILDES,
    **_QUOTES,
    **_STYLED_DIGITS,
    **_DOTTED_I,
}


def normal_text(text: str) -> str:
    """`text` with full-width forms as ASCII, one minus, one quote, and no invisible characters."""
    return text if text.isascii() else text.translate(_TABLE)


def span_before(text: str, normal: str, start: int, end: int) -> tuple[int, int]:
    """Where the characters from `start` to before `end` of the `normal` form stand in `text`."""
    if len(text) == len(normal):
        return start, end
    kept = [place for place, character in enumerate(text) if ord(character) not in _INVISIBLE]
    return kept[start], kept[end - 1] + 1
