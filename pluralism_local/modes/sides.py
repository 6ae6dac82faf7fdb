"""A sentence for each side of a question: what an LLM that is too small to weigh comments can still write.

    question ──a prompt and a grammar for each side──> Compose ──> "Some say yes, because …" "Others say no, because …"

A grammar begins each sentence, ends it, and leaves room for words alone, so that the answer stays with the question,
ends by itself and invents no figures. The LLM is not shown the comments: it would repeat what they make up, for both
sides alike, and could not tell who is on which. A question that cannot be answered by yes or no has two views.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pluralism_local.engine.base import LanguageModel
from pluralism_local.model_names import STARTER
from pluralism_local.modes.steps import SEPARATOR, Answered, Case, Compose, Part, Steps, Warn
from pluralism_local.modes.wordings import Q, word
from pluralism_local.positions.attribution import small_words
from pluralism_local.prompts import OVERTON_SIDE, OVERTON_VIEW, QUESTION, Prompt
from pluralism_local.sentences import sentences
from pluralism_local.types import Grammar

SENTENCE_TOKENS = 90
REMARK = (
    "The starter is too small to weigh comments: its answer is a sentence of its own for each side, and the comments "
    "stand beside it."
)

_WORDS = r"""words ::= word ((" " | ", ") word){4,32}
word ::= [a-zA-ZÀ-ÖØ-öø-ÿ] [a-zA-ZÀ-ÖØ-öø-ÿ'’-]*
"""
_ASKS_WHAT = re.compile(r"(?:\w+\W+)?(?:what|who|whom|whose|which|when|where|why|how)\b", re.IGNORECASE)
_CHOICE = re.compile(r"\bor\b", re.IGNORECASE)


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
    *_, last = sentences(question) or [""]
    asks_whether = last.endswith("?") and not _ASKS_WHAT.match(last) and not _CHOICE.search(last)
    return YES_OR_NO if asks_whether else VIEWS


def write_sides(case: Case[Q]) -> Steps:
    """A sentence for each side, and a remark that this is no synthesis of comments."""
    yield Warn(REMARK)
    question = case.question.question
    parts = tuple(
        Part(word(side.prompt, question=question, side=side.side), side.lead, "", "…", side.grammar)
        for side in sides_of(question)
    )
    sampling = replace(case.answer, max_tokens=min(SENTENCE_TOKENS, case.answer.max_tokens))
    wording = word(QUESTION, question=question)
    texts = yield Compose(wording, parts, sampling, None, small_words([question]))
    return Answered(
        wording, SEPARATOR.join(f"{part.before}{text}" for part, text in zip(parts, texts, strict=True))
    )
