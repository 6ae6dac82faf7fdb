"""Terms of a text: its content words and pairs of neighbouring content words, lower-cased.

What `views` weighs and `subjects` names. Stop words and numbers are no terms; "health care" is one, "care of" is not.
"""

from __future__ import annotations

import re
from functools import cache

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[^\w\s]")
# words that scikit-learn's list lacks and that carry no subject in speeches, letters and statements
_ALSO_STOP = """
today yesterday year years day days week month time new said say says would could should must shall
like just make made makes making want need needs know think going come good great important able
support supports rise mr mrs ms sir madam senator senators congressman congresswoman member members
speaker president chairman gentleman gentlewoman colleague colleagues bill act amendment section
title number people way ways thing things lot let come use used using including include includes
provide provides provided work working help continue ensure united states state statement country
countries nations nation general assembly i'm don't it's we're they're that's
"""


@cache
def stop_words() -> frozenset[str]:
    """Words that are never a term by themselves nor part of one."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS) | frozenset(_ALSO_STOP.split())


def terms(text: str) -> list[str]:
    """All terms in order of appearance, repeated as often as they occur; of a pair also its two words."""
    stop = stop_words()
    every: list[str] = []
    before: str | None = None
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if len(word) < 3 or not word[0].isalpha() or word in stop:
            before = None
            continue
        every.append(word)
        if before is not None:
            every.append(f"{before} {word}")
        before = word
    return every
