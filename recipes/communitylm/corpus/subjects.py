"""What a passage is about, in a few words: for the question that the training prompt asks.

passages ──> terms ──tf·idf over this corpus──> the best two or three that do not overlap ──> "health care and taxes"
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from communitylm.corpus.terms import terms

MOST = 3
PAIR_BONUS = 1.5
"""Pairs such as "stem cells" name a subject better than a word alone."""


def subjects(texts: Sequence[str]) -> list[str | None]:
    """A subject per text, terms in their order of appearance; None for a text without any term."""
    terms_of = [terms(text) for text in texts]
    seen_in: Counter[str] = Counter()
    for each in terms_of:
        seen_in.update(set(each))
    return [_subject(each, seen_in, len(texts)) for each in terms_of]


def _subject(every: list[str], seen_in: Counter[str], total: int) -> str | None:
    counts = Counter(every)
    first = {term: place for place, term in reversed(list(enumerate(every)))}

    def weight(term: str) -> float:
        # a term of one passage only is mostly a name or a misprint
        rarity = math.log(total / seen_in[term]) if seen_in[term] > 1 else 0.5
        return counts[term] * rarity * (PAIR_BONUS if " " in term else 1.0)

    chosen: list[str] = []
    for term in sorted(counts, key=lambda term: (-weight(term), first[term])):
        words = set(term.split())
        if all(words.isdisjoint(other.split()) for other in chosen):
            chosen.append(term)
        if len(chosen) == MOST:
            break
    chosen.sort(key=lambda term: first[term])
    if not chosen:
        return None
    *rest, last = chosen
    return f"{', '.join(rest)} and {last}" if rest else last
