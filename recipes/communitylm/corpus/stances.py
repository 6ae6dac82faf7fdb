"""Which passages take a side: for training on views rather than on a register's business.

    passages ──stance_score──> words of judgement and reason per 100 words, less procedure, figures and names
             ──take_sides───> the best of them, no speaker more than a share

A passage that argues says what must, should or cannot be, calls things right or wrong, and gives reasons; one that
announces names people, sums, places and steps of procedure. Both are counted by word lists, so that the choice is the
same everywhere and can be read; what side is taken is not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from communitylm.corpus.passages import Passage

_JUDGEMENT = re.compile(
    r"(?i)\b(?:must(?: not)?|should(?:n't| not)?|ought to|cannot|can't|need(?:s)? to|has to|have to|deserves?|demands?"
    r"|oppose[sd]?|supports?|reject|defend|protect|threat(?:en|ens|ened)?|endanger\w*|undermine\w*|destroy\w*"
    r"|believe|urge|fail(?:s|ed|ure)?|wrong|right thing|unfair|fair|unjust|justice|moral\w*|immoral|dangerous|reckless"
    r"|irresponsible"
    r"|responsib\w+|better|worse|best|worst|freedom|liberty|rights?|equal\w*|burden\w*|harm\w*|hurt\w*"
    r"|crisis|waste\w*|sensible|common sense|unacceptable|shameful|outrag\w*|essential|vital)\b"
)
_REASON = re.compile(
    r"(?i)\b(?:because|therefore|since|if we|unless|instead(?: of)?|rather than|so that|why|that is why|the reason"
    r"|not only|whether|otherwise|means that|would mean|lead(?:s)? to|result(?:s)? in|the fact is|the truth is"
    r"|the question is)\b"
)
_PROCEDURE = re.compile(
    r"(?i)\b(?:yield\w*|gentle(?:man|woman|lady)|amendments?|subcommittee|committee on|chair(?:man|woman)"
    r"|ranking member"
    r"|cosponsor\w*|introduc(?:ed|ing)|announced|awarded|grants?|unanimous|quorum|clerk|H\.R\.|S\. \d+|section"
    r"|title [IVX]+"
    r"|conference report|motion|markup|hearing|testif\w+|congratulat\w*|salute|honor(?:s|ed|ing)?|tribute"
    r"|recogni[sz]e[sd]?"
    r"|birthday|retire\w*|thank\w*|colleagues?|senators?|congress(?:man|woman)|representatives?|joined|statement|letter"
    r"|said|stated|added|continued|noted|today|yesterday|this week|last week|delegat\w+|excellenc\w+"
    r"|session|debate|bill)\b"
)
_FIGURE = re.compile(r"\$?\d[\d,.]*")
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+(?: [A-Z][a-z]+)+\b")


def stance_score(text: str) -> float:
    """Words of judgement and of reason, less half a word for each of procedure, figure and name, per 100 words."""
    words = max(1, len(text.split()))
    for_it = len(_JUDGEMENT.findall(text)) + len(_REASON.findall(text))
    against = len(_PROCEDURE.findall(text)) + len(_FIGURE.findall(text)) + len(_NAME.findall(text))
    return 100 * (for_it - 0.5 * against) / words


def take_sides(passages: Iterable[Passage], count: int, *, most: float = 0.05) -> list[Passage]:
    """The `count` passages with the highest `stance_score`, best first (ties: by text).

    Args:
        most: share of `count` that one speaker may have, at least one passage; speakers fill up beyond it only where
            there would be too few passages.
    """
    ranked = sorted(passages, key=lambda passage: (-stance_score(passage.text), passage.text))
    limit = max(1, round(most * count))
    taken: Counter[str] = Counter()
    chosen: list[Passage] = []
    rest: list[Passage] = []
    for passage in ranked:
        if taken[passage.group] < limit:
            taken[passage.group] += 1
            chosen.append(passage)
        else:
            rest.append(passage)
    chosen = (chosen + rest)[:count]
    return sorted(chosen, key=lambda passage: (-stance_score(passage.text), passage.text))
