"""What voices are told once everybody has spoken, and what the LLM is told about statements; all wordings are own ones.

They begin with the question as the prompts of positions do (`pluralism_local.prompts`), and name no voice to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import Prompt, named

ROUND = Prompt(
    "overton.round",
    1,
    "own: voices that hear which positions were taken comment again",
    "Question: {question}\n\nYou have said what you think. {context}\n\nSay what you think of the question now, in a "
    "few sentences: stand by your view, answer what you think is wrong here, or change your mind where you are "
    "convinced. Do not repeat the list.",
)

STATEMENT = Prompt(
    "consensus.statement",
    1,
    "own: a voice's statement that others might agree with",
    "Question: {question}\n\nYou have said what you think. {context}\n\nWrite one statement that answers the question, "
    "in one or two sentences, that you agree with and that the others could agree with, too. Write nothing else.",
)

STATEMENT_OF_ALL = Prompt(
    "consensus.statement-of-all",
    1,
    "own: the LLM's statement that every voice might agree with; after the Habermas Machine (Tessler et al., Science "
    "2024), whose model writes group statements from all opinions",
    "Question: {question}\n\nWhat the voices say:\n\n{comments}\n\nWrite one statement that answers the question, in "
    "one or two sentences, that every one of these voices could agree with. Do not name the voices. Write nothing "
    "else.",
)

VOTE = Prompt(
    "consensus.vote",
    1,
    "own: whether a voice agrees with a statement",
    "Question: {question}\n\nStatement: {statement}\n\nDo you agree with this statement?\n{answers}\nAnswer with the "
    "letter alone.",
)

CRITIQUE = Prompt(
    "consensus.critique",
    1,
    "own: what a voice would change in a statement; the order of draft, ranking, critique and revision is the Habermas "
    "Machine's",
    "Question: {question}\n\nThis statement found most agreement so far: {statement}\n\nSay in one sentence what would "
    "have to change in it so that you agree with it.",
)

REVISION = Prompt(
    "consensus.revision",
    1,
    "own: the statement once more, after the critiques",
    "Question: {question}\n\nA statement: {statement}\n\nWhat the voices would change in it:\n\n{critiques}\n\nWrite "
    "the statement anew, in one or two sentences, so that every one of these voices could agree with it. Do not name "
    "the voices. Write nothing else.",
)

_POSITIONS = "These positions were taken, by you or by others:\n\n{listed}"
_COMMENTS = "This is what others said:\n\n{listed}"


def heard_positions(claims: Iterable[str]) -> str:
    """The positions as every voice is shown them."""
    return _POSITIONS.format(listed="\n".join(f"- {claim}" for claim in claims))


def heard_comments(comments: Iterable[str]) -> str:
    """Comments as another voice is shown them."""
    return _COMMENTS.format(listed="\n\n".join(f"- {' '.join(comment.split())}" for comment in comments))


def round_wording(question: str, context: str) -> Wording:
    """What a voice is told in a round."""
    return word(ROUND, question=question, context=context)


def statement(question: str, context: str) -> Wording:
    """What a voice is told for its statement."""
    return word(STATEMENT, question=question, context=context)


def statement_of_all(question: str, comments: Mapping[str, str]) -> Wording:
    """What the LLM is told for its statement."""
    return word(STATEMENT_OF_ALL, question=question, comments=named(comments))


def vote(question: str, statement: str, answers: str) -> Wording:
    """What a voice is told about a statement; `answers` are two, behind letters."""
    return word(VOTE, question=question, statement=statement, answers=answers)


def critique(question: str, statement: str) -> Wording:
    """What a voice is told about the statement that is ahead."""
    return word(CRITIQUE, question=question, statement=statement)


def revision(question: str, statement: str, critiques: Mapping[str, str]) -> Wording:
    """What the LLM is told for a revision."""
    return word(REVISION, question=question, statement=statement, critiques=named(critiques))


PROMPTS: Sequence[Prompt] = (ROUND, STATEMENT, STATEMENT_OF_ALL, VOTE, CRITIQUE, REVISION)
