"""A sentence for each side of a question: what an LLM that is too small to weigh comments can still write.

    question ──a prompt and a grammar for each side──> WriteEach ──> "Some say yes, because …", "Others say no, …"
               ^── those that repeat themselves or what stands before them: drawn anew ──┘      └──none──> Show

A grammar begins each sentence, ends it, and leaves room for words alone, so that the answer stays with the question,
ends by itself and invents no figures. The LLM is not shown the comments: it would repeat what they make up, for both
sides alike, and could not tell who is on which. A question that cannot be answered by yes or no has two views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pluralism_local.engine.base import LanguageModel
from pluralism_local.model_names import STARTER
from pluralism_local.modes.steps import SEPARATOR, Answered, Case, Show, Steps, Warn, WriteEach
from pluralism_local.modes.wordings import Q, word
from pluralism_local.modes.yes_or_no import asks_whether
from pluralism_local.positions.attribution import mended, small_words
from pluralism_local.prompts import OVERTON_SIDE, OVERTON_VIEW, QUESTION, Prompt
from pluralism_local.repetition import repeats
from pluralism_local.types import Completion, Grammar, Sampling

SENTENCE_TOKENS = 90
TRIES = 6
"""Calls at most for sentences that do not repeat; what the last one gives is taken as it is."""
_TEMPERATURE, _TOP_P = 0.8, 0.9
REMARK = (
    "The starter is too small to weigh comments: its answer is a sentence of its own for each side, and the comments "
    "stand beside it."
)

_WORDS = r"""words ::= word ((" " | ", ") word){4,32}
word ::= [a-zA-ZÀ-ÖØ-öø-ÿ] [a-zA-ZÀ-ÖØ-öø-ÿ'’-]*
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One sentence of the answer.

    Attributes:
        prompt: has the fields `question` and `side`.
        side: what stands for it there.
        lead: how the sentence begins; letters, commas and spaces.
    """

    prompt: Prompt
    side: str
    lead: str

    @property
    def grammar(self) -> Grammar:
        """The whole sentence, five to 33 words behind its beginning."""
        return Grammar(f'root ::= "{self.lead}" words "."\n{_WORDS}')


YES_OR_NO = (
    Side(OVERTON_SIDE, "yes", "Some say yes, because "),
    Side(OVERTON_SIDE, "no", "Others say no, because "),
)
VIEWS = (
    Side(OVERTON_VIEW, "one view that people hold", "Some say that "),
    Side(OVERTON_VIEW, "another view, held by people who disagree with most", "Others say that "),
)


def only_takes_sides(llm: LanguageModel) -> bool:
    """Whether this is all that the LLM can write from many comments, and can be bound to it."""
    return llm.info.id == STARTER and llm.capabilities.grammars == "gbnf"


def sides_of(question: str) -> tuple[Side, ...]:
    """What the answer has a sentence for: yes and no where the question's last sentence asks for one of them."""
    return YES_OR_NO if asks_whether(question) else VIEWS


def write_sides(case: Case[Q]) -> Steps:
    """A sentence for each side, none of which repeats, and a remark that this is no synthesis of comments."""
    yield Warn(REMARK)
    question = case.question.question
    answered, sides = word(QUESTION, question=question), sides_of(question)
    wordings = [word(side.prompt, question=question, side=side.side) for side in sides]
    sampling = replace(case.answer, max_tokens=min(SENTENCE_TOKENS, case.answer.max_tokens))
    texts = ["" for _ in sides]
    places: Sequence[int] = range(len(sides))
    for number in range(TRIES):
        drawn = sampling if number == 0 else _drawn(sampling, number)
        replies: Sequence[Completion] = yield WriteEach(
            "answer",
            tuple((wordings[place], drawn, sides[place].grammar) for place in places),
        )
        for place, reply in zip(places, replies, strict=True):
            lead, cut = sides[place].lead, reply.finish == "length"
            texts[place] = lead + mended(reply.text, lead, small_words([question]), "…", cut=cut)
        places = repeating(texts)
        if not places:
            break
    answer = SEPARATOR.join(texts)
    yield Show(answered, answer)
    return Answered(answered, answer)


def repeating(texts: Sequence[str]) -> list[int]:
    """The places of those that repeat themselves, or what stands before them without repeating."""
    again, kept = [], ""
    for place, text in enumerate(texts):
        if repeats(f"{kept} {text}"):
            again.append(place)
        else:
            kept = f"{kept} {text}"
    return again


def _drawn(sampling: Sampling, number: int) -> Sampling:
    """Another text than the most probable one, which would come again: `number` counts the tries."""
    return replace(
        sampling,
        temperature=max(sampling.temperature, _TEMPERATURE),
        top_p=min(sampling.top_p, _TOP_P),
        seed=(sampling.seed + number) % 2**32,
    )
