"""Which texts of two communities speak to the same question: pairs for `contrast`.

    own, other's passages ──pair_up──> pairs of the same question, then of subjects nearest by words, and their counts

Held-out passages make no pair. Where both texts have a question the same one pairs them, best of all; a text left over
is paired with that of the other side which shares the most telling words (tf·idf cosine), if these are enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from communitylm.community.contrast import AnswerPair
from communitylm.community.examples import question_about
from communitylm.corpus.passages import Passage
from pluralism_local.repetition import words


@dataclass(frozen=True, slots=True)
class PairedTexts:
    """Pairs, those of the same question first, and how many these are."""

    pairs: tuple[AnswerPair, ...]
    same_question: int


def pair_up(own: Sequence[Passage], others: Sequence[Passage], *, least: float, longest: int) -> PairedTexts:
    """A pair for each training passage of `own` that has a counterpart in `others`.

    Args:
        least: cosine in (0, 1] from which two texts speak of the same subject; 1 pairs by question alone.
        longest: words of a text at most; longer ones make no pair.
    """
    mine, theirs = (
        [passage for passage in side if not passage.held_out and len(passage.text.split()) <= longest]
        for side in (own, others)
    )
    answers: dict[str, list[Passage]] = defaultdict(list)
    for passage in theirs:
        if passage.question:
            answers[_key(passage.question)].append(passage)
    pairs, rest = [], []
    for passage in mine:
        replies = answers.get(_key(passage.question)) if passage.question else None
        if replies and passage.question:
            replies.append(replies.pop(0))  # the next text on this question gets another counterpart
            pairs.append(AnswerPair(passage.question, passage.text, replies[-1].text, passage.source))
        else:
            rest.append(passage)
    near = _nearest(rest, theirs, least) if least < 1 and rest and theirs else []
    return PairedTexts((*pairs, *near), len(pairs))


def _key(question: str) -> str:
    return " ".join(words(question))


def _nearest(mine: Sequence[Passage], theirs: Sequence[Passage], least: float) -> list[AnswerPair]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    weights = count.fit_transform([passage.text for passage in (*mine, *theirs)])
    alike = (weights[: len(mine)] @ weights[len(mine) :].T).toarray()
    best = alike.argmax(axis=1)
    return [
        AnswerPair(*question_about(passage), theirs[at].text, passage.source)
        for row, (passage, at) in enumerate(zip(mine, best, strict=True))
        if alike[row, at] >= least and passage.text != theirs[at].text
    ]
