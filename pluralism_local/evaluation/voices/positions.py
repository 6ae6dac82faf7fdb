"""How many different positions an ask's comments take, by entailment both ways.

    comments of one question ──first two sentences──> pairs ──NliScorer──> entails [n, n] ──count──> 1 … n

Two comments hold the same position where each entails the other; a comment joins the first position whose first comment
it agrees with so. Only the beginnings are compared, where a comment says what it is for: whole comments hardly ever
entail each other, whatever they hold. Comments without text hold none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.nli import NliPair, NliScorer
from pluralism_local.evaluation.nli.base import ENTAILMENT
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.positions.merging import clusters
from pluralism_local.sentences import sentences

SENTENCES = 2


def count_positions(entails: npt.NDArray[np.bool_]) -> int:
    """Greedy clusters of comments.

    Args:
        entails: [n, n], whether comment i entails comment j; the diagonal does not matter.

    Returns:
        0 for no comments, else 1 … n.
    """
    return len(clusters(len(entails), lambda a, b: bool(entails[a, b] and entails[b, a])))


def positions(
    comments: Sequence[VoiceComment], scorer: NliScorer, *, should_stop: ShouldStop = never
) -> dict[str, int]:
    """By question, the number of positions of its comments with text.

    Raises:
        Cancelled, EngineFailure: as `NliScorer.score`.
    """
    by_question: dict[str, list[str]] = defaultdict(list)
    for comment in comments:
        if comment.text.strip():
            by_question[comment.question].append(beginning(comment.text))
    forward = dict.fromkeys(
        NliPair(premise, hypothesis)
        for texts in by_question.values()
        for premise, hypothesis in combinations(texts, 2)
        if premise != hypothesis
    )
    entailing = _entailing(list(forward), scorer, should_stop)
    # where the first does not entail the second, the other direction changes nothing
    backward = (NliPair(pair.hypothesis, pair.premise) for pair in forward if pair in entailing)
    entailing |= _entailing([pair for pair in backward if pair not in forward], scorer, should_stop)
    return {
        question: count_positions(
            np.array([[a == b or NliPair(a, b) in entailing for b in texts] for a in texts], dtype=np.bool_)
        )
        for question, texts in by_question.items()
    }


def _entailing(pairs: Sequence[NliPair], scorer: NliScorer, should_stop: ShouldStop) -> set[NliPair]:
    scores = scorer.score(pairs, should_stop=should_stop)
    return {pair for pair, row in zip(pairs, scores, strict=True) if int(np.argmax(row)) == ENTAILMENT}


def beginning(text: str) -> str:
    """The first sentences of a comment that is not blank."""
    return " ".join(sentences(text)[:SENTENCES]) or text.strip()
