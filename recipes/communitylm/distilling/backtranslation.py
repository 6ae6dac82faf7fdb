"""The question that a passage answers, named by a larger model.

    passages ──question_requests──> {key: (Passage, Request)}  (`generating` writes them)
    Written  ──named──> (question, whether the passage says yes), or None: it takes no side on a question
    answer, CommentVerdict ──agrees──> whether a second reading finds the same answer in the passage

So a passage can be trained on as the answer to a question that a user might ask, in the words of `plocal ask`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from communitylm.corpus.passages import Passage
from communitylm.distilling.generating import Written, text_key
from pluralism_local.evaluation.voices import CommentVerdict
from pluralism_local.types import Message, Request, Sampling

FEWEST, MOST, TOKENS = 4, 26, 48
"""Words of a question at least and at most; tokens that naming it may take."""

_TASK = (
    "You read passages of speeches and press releases. Name the question of policy that the passage takes a side on: "
    "one short question in everyday words that can be answered with yes or no and could be put to anybody. No names of "
    "bills, people or offices. Then say whether the passage answers it with yes, no or neither."
)
_SHOTS = (
    (
        "I cannot support this measure. It would take money from the classrooms that need it most and hand it to "
        "private academies that answer to nobody. Our public schools are open to every child. They deserve better "
        "than this.",
        "Question: Should public money be spent on private schools?\nAnswer: no",
    ),
    (
        "For too long small farmers have been squeezed by a handful of giant buyers. That is why we must give them the "
        "power to bargain together, and that is why I urge the Department to act now.",
        "Question: Should small farmers be allowed to bargain together?\nAnswer: yes",
    ),
    (
        "The bridge was opened in the spring, and more than four hundred people came to see the ribbon cut. Work on "
        "the second lane begins next year.",
        "Question: Should the bridge get a second lane?\nAnswer: neither",
    ),
)
_NAMED = re.compile(r"(?i)question: ([^\n]{12,160}\?)\s*\nanswer: (yes|no)\b")


def question_requests(model: str, passages: Iterable[Passage]) -> dict[str, tuple[Passage, Request]]:
    """A request per passage by its key, greedy."""
    shots: list[Message] = []
    for text, reply in _SHOTS:
        shots += [Message("user", text), Message("assistant", reply)]
    requests = {}
    for passage in passages:
        messages = (Message("system", _TASK), *shots, Message("user", passage.text))
        request = Request(messages, Sampling(max_tokens=TOKENS))
        requests[text_key(model, request)] = (passage, request)
    return requests


def named(written: Written) -> tuple[str, bool] | None:
    """The question, and whether the passage says yes to it; None where there is none that it takes a side on."""
    match = _NAMED.match(written.text) if written.ended else None
    if match is None or not FEWEST <= len(match[1].split()) <= MOST:
        return None
    return match[1], match[2].lower() == "yes"


def agrees(yes: bool, verdict: CommentVerdict | None) -> bool:
    """Whether a reading of the passage finds that answer to the question, too."""
    return verdict is not None and (verdict.yes > 0.5) == yes
