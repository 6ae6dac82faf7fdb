"""Whether options are an ordered scale, from their English wordings and numbers.

    ("Very important", "Somewhat important", "Not at all important") ──is_scale──> True
    ("Less than 1 year", "1-5 years", "More than 5 years")           ──is_scale──> True
    ("Army", "Navy", "Air force")                                    ──is_scale──> False

An option is graded by its words: how much, for or against, how often, or a number. Options are a scale if at least
three of them are graded in one of these ways, each further on than the one before. What is no answer ("Don't know",
"Refused", what interviewers do not read) does not count. A scale in other words, or in another language, is not known
as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

Grade = tuple[float, ...]

_NO_ANSWER = re.compile(
    r"\((?:vol|do not read)[^)]*\)|\bdk\b|\bdon.?t know\b|\bdo not know\b|\brefused?\b|\bno answer\b|\bnot sure\b|"
    r"\bunsure\b|\bno opinion\b|\bmissing\b|\bnot applicable\b|\bn/a\b|\bprefer not\b|\bnever heard\b|^depends\b",
    re.I,
)

# the first that an option has is its grade, from 0 for all of it, so that "not very" is none of "very"
_DEGREES = (
    (2.5, r"\bbut (?:is )?(?:not|lower)\b"),
    (
        5,
        r"\bnot? (?:at all|a|an|any|one)\b|\bat all\b|\bnone\b|\bnever\b|\bnothing\b|^no\b|\b(?:are|do|should) not\b|"
        r"\b(?:doesn't|don't) need\b|^not$",
    ),
    (4.5, r"^not \w+$|\bnot more\b"),
    (
        4,
        r"\bnot (?:too|very|so|that|much|many|particularly|often)\b|\b(?:few|little|rarely|seldom|hardly)\b|"
        r"\bslight\w*|\bminor\b|\bsmall\b|\blow(?:er)?\b",
    ),
    (
        3,
        r"\bsome\w*|\bfair(?:ly| amount)\b|\bmoderate\w*|\bprobably\b|\bpart(?:ly|ially)?\b|\bpretty\b|\bmid\w*",
    ),
    (0.5, r"\bone of the most\b"),
    (
        1,
        r"\bvery\b|\b(?:great|good) deal\b|\ba lot\b|\bmajor\b|\bmost(?:ly)?\b|\bstrongly\b|\bdefinitely\b|\btop\b",
    ),
    (0, r"\bextreme\w*|\bcomplete\w*|\bentire\w*|\btotal\w*|\balways\b|\ball\b|\bessential\b|\bfully\b"),
    (
        2,
        r"\bquite\b|\busual\w*|\boften\b|\bmany\b|\bbig\b|\bstrong\b|\bimportant\b|\bserious\b|\bmuch\b|\bhigh\b|"
        r"\bgreat\b|\blarge\b",
    ),
)

_NEUTRAL = (
    r"\bneither\b|\bneutral\b|\b(?:about|stay\w*|remain\w*|just) (?:the )?(?:same|right|as)\b|\bthe same\b|"
    r"\bno (?:difference|change|effect|impact|influence|more or less)\b|\bmix(?:ed)?\b|\bnot (?:make|change)\b|"
    r"^average\b|\bequal(?:ly)?\b|\bboth\b|\bdoesn.?t make\b|\bin the middle\b|\bmoderate\b"
)
_AGAINST = (
    r"\b(?:dis(?:agree|approve|satisfied|like)\w*|un(?:favou?rable|likely|comfortable|important|fair\w*|acceptable|"
    r"safe|happy|satisfied|willing|concerned)|oppos\w*|bad(?:ly)?|worse\w*|worst|wrong|negative\w*|pessimistic|"
    r"difficult|hard(?:er)?|decreas\w*|less\w*|fewer|lower|harm\w*|hurt\w*|against|below|poor(?:ly)?|too little|"
    r"too few|conservative|republican|cold|weaker|small(?:er)?|not as|fail\w*)\b|\b(?:definitely|probably)\b.*\bnot\b"
)
_FOR = (
    r"\b(?:agree\w*|approve\w*|satisfied|like\w*|favou?r\w*|likely|comfortable|fair\w*|acceptable|safe\w*|happy|willing|"
    r"support\w*|good|better|best|positive\w*|optimistic|easy|easier|increas\w*|more|greater|higher|benefit\w*|help\w*|"
    r"above|excellent|too much|too many|liberal|democrat\w*|warm|stronger|larger?|well|definitely|probably)\b"
)
_STRONGLY = (
    r"\bstrong\w*|\bvery\b|\bmuch\b|\ba lot\b|\bextreme\w*|\bcomplete\w*|\bbest\b|\bworst\b|\bdefinitely\b|"
    r"\bexcellent\b"
)
_WEAKLY = (
    r"\bonly\b|\bsome\w*|\blean\w*|\bslight\w*|\ba (?:little|bit)\b|\bmost(?:ly)?\b|\bfairly\b|\brather\b|"
    r"\bprobably\b"
)

_UNITS = ("hour|hourly", "day|daily", "week|weekly", "month|monthly", "year|yearly|annually")
_SELDOM, _NEVER = r"\bseldom|\brarely|\bhardly ever|\bless often", r"\bnever\b"
_OFTEN_IN_IT = r"\bseveral|\bmore than|\bfew times|\btimes\b|\btwice|\bor two"
_NUMBER = re.compile(r"\d+(?:,\d+)*(?:\.\d+)?")
_WORDS_FOR_NUMBERS = {
    "none": "0",
    "never": "0",
    "zero": "0",
    "once": "1",
    "one": "1",
    "twice": "2",
    "two": "2",
}


def is_scale(options: Sequence[str]) -> bool:
    """Whether at least three options, all that are answers, are graded in one way and in order."""
    answers = [option.lower().replace("\u2019", "'") for option in options if not _NO_ANSWER.search(option)]
    return len(answers) >= 3 and any(
        _is_ordered([grade(answer) for answer in answers]) for grade in (_degree, _side, _frequency, _number)
    )


def _is_ordered(grades: Sequence[Grade | None]) -> bool:
    """Whether all are there, and each is more, or each is less, than the one before."""
    graded = [grade for grade in grades if grade is not None]
    rising = all(before < after for before, after in pairwise(graded))
    falling = all(before > after for before, after in pairwise(graded))
    return len(graded) == len(grades) and (rising or falling)


def _degree(option: str) -> Grade | None:
    """How much of one thing."""
    return next(((float(grade),) for grade, words in _DEGREES if re.search(words, option)), None)


def _side(option: str) -> Grade | None:
    """How much for or against."""
    if re.search(_NEUTRAL, option):
        return (0.0,)
    side = -1 if re.search(_AGAINST, option) else 1 if re.search(_FOR, option) else 0
    strength = 3.0 if re.search(_STRONGLY, option) else 1.0 if re.search(_WEAKLY, option) else 2.0
    return (side * strength,) if side else None


def _frequency(option: str) -> Grade | None:
    """How often, from hours to never."""
    if re.search(_NEVER, option):
        return (len(_UNITS) + 1.0, 0.0)
    if re.search(_SELDOM, option):
        return (float(len(_UNITS)), 0.0)
    for rank, unit in enumerate(_UNITS):
        if re.search(rf"\b(?:{unit})s?\b", option):
            return (float(rank), 0.0 if re.search(_OFTEN_IN_IT, option) else 1.0)
    return None


def _number(option: str) -> Grade | None:
    """The numbers it names; "Never" and "None" are 0."""
    words = " ".join(_WORDS_FOR_NUMBERS.get(word, word) for word in re.findall(r"[\w.,]+", option))
    numbers = [float(number.replace(",", "")) for number in _NUMBER.findall(words)]
    if not numbers:
        return None
    below, above = (
        re.match(r"\W*(?:less|under|below|fewer)\b", option),
        re.search(r"\bmore\b|\+|\bover\b", option),
    )
    return (numbers[0] - 0.5 if below else numbers[0], *numbers[1:], *([float("inf")] if above else []))
