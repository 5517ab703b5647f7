"""What the words right before a number say of it."""

from enum import Enum
from itertools import product

from reward_service.phrases import PhrasesBefore, split


class Before(Enum):
    """BOUND: no exact count. NEGATIVE: below zero. DENIED: it isn't this one. LABEL: it counts
    nothing. WEAK: it counts only where no other number does. PRONOUN: a "one" that counts nothing.
    PLAIN: nothing, though a part of the phrase would.
    """

    BOUND = "bound"
    NEGATIVE = "negative"
    DENIED = "denied"
    LABEL = "label"
    WEAK = "weak"
    PRONOUN = "pronoun"
    PLAIN = "plain"


_BOUNDS = """
about:|around:|approximately:|approx:|roughly:|at least:|at most:
about|around|approximately|approx|approx.|roughly|circa|ca.|nearly|almost|close to|near to|over
under|above|below|beyond|past|up to|upwards of|in excess of|as many as|as few as|at least|at most
at the least|at the most|at minimum|at maximum|minimum of|maximum of|min|max|min.|max.
more than|less than|fewer than|greater than|larger than|smaller than|no more than|no less than
no fewer than|not more than|not less than|not fewer than|some|somewhere around|exceeding|exceeds
exceed|a good|easily|well over|just over|just under|not quite|not even|only about|barely
all but|estimated|an estimated|i estimate|estimate of|an average of|average of|an average|averaging
estimate|estimate is|estimate:|i'd estimate|estimated count|estimated count:|estimated count is
approximate|within
至少|最少|至多|最多|頂多|顶多|起碼|起码|超過|超过|超出|不到|不足|未滿|未满|未達|未达|多於|多于|少於|少于
大於|大于|小於|小于|高於|高于|低於|低于|大約|大约|大概|約|约|約莫|快|约莫|將近|将近|接近|近|差不多|逾|不止|不只
不下|不下於|不少於|不少于|不多於|不多于|不超過|不超过|估計|估计|上看|大致|幾乎|几乎|可達|平均
>|<|≥|≤|≈|~|±|>=|<=|⩾|⩽|≧|≦|≳|≲
"""
_WITH_HAVE = (
    "至少|最少|至多|最多|超過|超过|大約|大约|大概|不到|起碼|起码|將近|将近|接近|差不多|不只|不止"
)
_DENIALS = """
no|not|not exactly|don't think there are|do not think there are|don't think it's
don't believe there are|doubt there are|not sure there are|don't count|do not count|isn't|aren't
is not|are not|wasn't|weren't|don't see|do not see|can't see|never
not a|initially thought|first thought|thought|thought there were|first counted|initially counted
instead of|rather than|doesn't have|don't have|not have|cannot see
不是|並非|并非|並不是|并不是|而非|而不是|不會是|不会是|不等於|不等于
"""
MONTHS = """
january|february|march|april|may|june|july|august|september|october|november|december
"""
_LABELS = """
no.|nr.|num.|number|step|page|pages|option|question|item|version|chapter|level|section
figure|fig|fig.|vol.|v.|ver.|route|highway|exit|gate|platform|terminal|grade
apt.|suite|channel|episode|season|exercise|example|type
player|iphone|windows|python|confidence|confidence:|probability|probability:|certainty|score:
jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|jan.|feb.|aug.|sept.|oct.|nov.|dec.
第|星期|禮拜|礼拜|週|分之|編號|编号|號碼|号码|圖|图|步驟|步骤|初|每|另|某|任|哪|#|$|€|£|¥|@
"""
_WEAKS = """
image|photo|picture|frame|row|column|group|box|table|room|line|bus|floor|class|in|on|across
inside|among|into|onto|for|since|from|until|of which
including|excluding|not counting|except|except for|apart from|besides
other|further|additional|extra|其中|其中有|其中的|當中|當中有|裡有|其余|其餘|剩下|剩下的|另外
"""
_PRONOUNS = "the|this|that|each|every|any|some|which|another|next|last|同|這|这|那"


_ROLES = {
    **dict.fromkeys(split(_PRONOUNS), Before.PRONOUN),
    **dict.fromkeys(split(_WEAKS), Before.WEAK),
    **dict.fromkeys(split(_BOUNDS), Before.BOUND),
    **dict.fromkeys(map("".join, product(split(_WITH_HAVE), "有")), Before.BOUND),
    **dict.fromkeys(split(_DENIALS), Before.DENIED),
    **dict.fromkeys(split(_LABELS + MONTHS), Before.LABEL),
    **dict.fromkeys(["minus", "negative", "負", "负"], Before.NEGATIVE),
    **dict.fromkeys(["=>", "->", "##", "on second thought", "附近", "最近", "契約"], Before.PLAIN),
}
BEFORE = PhrasesBefore(_ROLES)
