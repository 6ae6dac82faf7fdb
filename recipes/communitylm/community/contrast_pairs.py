"""Which texts of two communities speak to the same question: pairs for `contrast`.

    own, other's passages ──pair_up──> pairs of the same question, then of subjects nearest by words, and their counts

Held-out passages make no pair. Where both texts have a question the same one pairs them, best of all; a text left over
is paired with that of the other side which shares the most telling words (tf·idf cosine), if these are enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from communitylm.community.contrast import Pair
from communitylm.corpus.passages import Passage
from communitylm.training.examples import question_about
from pluralism_local.evaluation.voices.texts import words


@dataclass(frozen=True, slots=True)
class PairedTexts:
    """Pairs, those of the same question first, and how many these are."""

    pairs: tuple[Pair, ...]
    same_question: int


def pair_up(own: Sequence[Passage], others: Sequence[Passage], *, least: float, longest: int) -> PairedTexts:
    """A pair for each training passage of `own` that has a counterpart in `others`.

    Args:
        least: cosine in (0, 1] from which two texts speak of the same subject; 1 pairs by question alone.
        longest: words of a text at most; longer ones make no pair.
    """
    mine, theirs = (
        [one for one in side if not one.held_out and len(one.text.split()) <= longest]
        for side in (own, others)
    )
    answers: dict[str, list[Passage]] = defaultdict(list)
    for one in theirs:
        if one.question:
            answers[_key(one.question)].append(one)
    pairs, rest = [], []
    for one in mine:
        found = answers.get(_key(one.question)) if one.question else None
        if found and one.question:
            found.append(found.pop(0))  # the next text on this question gets another counterpart
            pairs.append(Pair(one.question, one.text, found[-1].text, one.source))
        else:
            rest.append(one)
    near = _nearest(rest, theirs, least) if least < 1 and rest and theirs else []
    return PairedTexts((*pairs, *near), len(pairs))


def _key(question: str) -> str:
    return " ".join(words(question))


def _nearest(mine: Sequence[Passage], theirs: Sequence[Passage], least: float) -> list[Pair]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    weights = count.fit_transform([one.text for one in (*mine, *theirs)])
    alike = (weights[: len(mine)] @ weights[len(mine) :].T).toarray()
    best = alike.argmax(axis=1)
    return [
        Pair(*question_about(one), theirs[at].text, one.source)
        for row, (one, at) in enumerate(zip(mine, best, strict=True))
        if alike[row, at] >= least and one.text != theirs[at].text
    ]
