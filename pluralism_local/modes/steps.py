"""A mode as steps: what it wants of the models, and nothing of how or with whom they are asked.

    Case ──algorithm──> Reserve, Lean, Consult, Draw, Weigh, Write, Compose, Entail, Warn, Selected …  ──> a driver
                   <── what the step says it gets ──
                   ──> Answered, at the end

An algorithm is a generator that computes nothing but texts and sums. The ask driver (`driver`) carries out one, a step
at a time, and streams; the batch driver (`evaluation.batch_driver`) advances many and sends equal steps together.

What can go wrong: a driver throws `Unsupported` into an algorithm that weighs where the LLM gives no probabilities; it
may ask in words instead. It throws whatever fails in the stage "positions", too: there is an answer without. Any
other failure, and the user's stop, is the driver's: it closes the algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal

from pluralism_local.agreement import ALONE, Agreement, Change, Deliberation
from pluralism_local.engine.base import ShouldStop
from pluralism_local.modes.orders import Order
from pluralism_local.modes.wordings import Q, Wording, Wordings
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.progress import PositionsProgress, ValuesProgress
from pluralism_local.results import Aggregate, Draws, Selected, Selection, Window
from pluralism_local.types import AdapterRef, Grammar, Message, Sampling, Side

if TYPE_CHECKING:
    from pluralism_local.communities import Member

AnswerForm = Literal["distribution", "label", "text"]
"""The form of an answer: a distribution over options, one option (weighed, or else in words), or a text."""

LABEL_TOKENS = 20
"""New tokens where only a choice is wanted, as in the released code."""

LlmStage = Literal["selection", "answer", "positions", "consensus", "values"]

Scores = Sequence[Sequence[float]]
Entailment = Callable[[Sequence[tuple[str, str]], ShouldStop], Scores]
"""Scores pairs as `Entail` gets them; raises Cancelled when stopped, EngineFailure when the model failed."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A member as it will speak: through its adapter, through its persona, or both; see `Community.spoken_persona`."""

    member: Member
    adapter: AdapterRef | None

    @property
    def id(self) -> str:
        """The community's id."""
        return self.member.community.id

    def persona(self, question: str) -> Message | None:
        """What it is prompted with first; None where it speaks through an adapter alone."""
        return self.member.community.spoken_persona(question, adapter=self.adapter is not None)


@dataclass(frozen=True)
class Case(Generic[Q]):
    """One question, as a mode gets it.

    Attributes:
        options: the answers' texts, 2 to 26; empty where the answer is a text.
        voices: the communities, in the pool's order; empty for a mode without.
        probabilities: how the LLM gives them, see `engine.base.Capabilities`.
        answer: how the LLM writes its answer.
        positions: how positions are looked for; None for not at all.
        deliberation: whether voices answer each other, and judge statements.
        orders: in which options are weighed, the first as the question has them; empty where the answer is a text.
        tells_stances: the LLM's own probabilities tell what a comment does with a claim.
        sides: the LLM is too small to weigh comments, and writes a sentence for each side (see `sides`).
        take_sides: voices are told the side that they lean to (see `leanings`).
    """

    wordings: Wordings[Q]
    question: Q
    answers: AnswerForm
    options: tuple[str, ...]
    voices: tuple[Voice, ...]
    probabilities: Literal["exact", "bounded", "none"]
    answer: Sampling
    positions: PositionPlan | None = None
    deliberation: Deliberation = ALONE
    orders: tuple[Order, ...] = ()
    sides: bool = False
    take_sides: bool = False
    tells_stances: bool = False

    @property
    def room(self) -> int:
        """Tokens that the LLM's answer may take."""
        if self.answers == "text":
            return self.answer.max_tokens
        return LABEL_TOKENS if self.answers == "label" and self.probabilities == "none" else 1

    @property
    def plan(self) -> PositionPlan:
        """How positions are looked for, where they are.

        Raises:
            TypeError: nobody looks for them (a bug).
        """
        if self.positions is None:
            raise TypeError("positions are looked for by a plan")
        return self.positions


@dataclass(frozen=True, slots=True)
class Room:
    """One prompt of the LLM, or of the communities' model, that comments will go into.

    Attributes:
        wording: the user message with empty comments.
        comments: how many comments go into it, ≥ 1.
        answer: tokens that may be written on it.
        reader: who reads it.
    """

    wording: Wording
    comments: int
    answer: int
    reader: Literal["llm", "communities"] = "llm"


@dataclass(frozen=True, slots=True)
class Reserve:
    """Before anything is generated: comments must be so short that each of `rooms` fits its reader. Gets None."""

    rooms: tuple[Room, ...]


@dataclass(frozen=True, slots=True)
class Lean:
    """The voices' own probabilities of yes. Gets a mapping from community to log-odds less its habit's."""

    voices: tuple[Voice, ...]
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What one voice is asked in place of the question that all are, and the side that it says."""

    side: Side
    wording: Wording


@dataclass(frozen=True, slots=True)
class Consult:
    """Let each of `voices` comment. Gets a mapping from community to text, stripped, in their order.

    `told`: by community what those are asked that take a side; the others are asked `wording`.
    """

    voices: tuple[Voice, ...]
    wording: Wording
    told: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draw:
    """Let each of `voices` comment `times` more, on its side, seeds of their own. Gets texts by community, stripped."""

    voices: tuple[Voice, ...]
    wording: Wording
    times: int


@dataclass(frozen=True, slots=True)
class Weigh:
    """The LLM's probabilities of `options` after each of `wordings`. Gets an OptionDistribution for each.

    Raises: Unsupported, into the algorithm: the LLM gives none.
    """

    stage: LlmStage
    wordings: tuple[Wording, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """The LLM's words, under `grammar` where there is one. Gets a Completion."""

    stage: LlmStage
    wording: Wording
    sampling: Sampling
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class WriteEach:
    """The LLM's words on each wording, under its grammar, in one call. Gets a Completion each.

    After one that was cancelled, end.
    """

    stage: LlmStage
    parts: tuple[tuple[Wording, Sampling, Grammar | None], ...]


SEPARATOR = "\n\n"
"""Between the sentences of a composed answer, which stand on lines of their own."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sentence of an answer: what the LLM writes on `wording` under `grammar`, between `before` and `after`.

    `instead` stands there if it writes nothing, and where there is no `wording`: then it is not asked.
    """

    wording: Wording | None
    before: str
    after: str
    instead: str
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class Compose:
    """An answer of several sentences, joined by `SEPARATOR`; what the LLM writes of them it writes in one call.

    Gets a tuple of what stands between `before` and `after` of each part, which may be more than the LLM's words.

    Attributes:
        question: what the answer answers, in the conversation.
        sampling: of each sentence.
        small: words that are no names and so begin small after `Part.before`.
    """

    question: Wording
    parts: tuple[Part, ...]
    sampling: Sampling
    small: frozenset[str]

    @property
    def written(self) -> dict[int, Wording]:
        """By the place of a part what the LLM is told for it, of those that it writes."""
        return {place: part.wording for place, part in enumerate(self.parts) if part.wording is not None}


@dataclass(frozen=True, slots=True)
class Entail:
    """Whether one text of each pair entails the other. Gets P(entailment, neutral, contradiction), which sum to 1."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """What a voice is told once everybody has spoken.

    Attributes:
        question, comment: the exchange before it in the voice's thread, its last comment and what that answers; one
            alone, so that a thread does not grow with the rounds. `comment` is empty where the voice was silent.
        side: that it is told to take; None for none.
    """

    voice: Voice
    question: Wording
    comment: str
    wording: Wording
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Let voices comment again, in round `number` of `rounds`. Gets a mapping from community to text, stripped."""

    number: int
    rounds: int
    cues: tuple[Cue, ...]


@dataclass(frozen=True, slots=True)
class RoundOver:
    """What a round came to; its comments are the driver's. Gets None.

    `window`: the positions that the voices were shown; None where they were shown each other's comments.
    """

    number: int
    changes: tuple[Change, ...]
    window: Window | None


@dataclass(frozen=True, slots=True)
class Propose:
    """Let voices write something that is no comment, at most `tokens` long. Gets a mapping from community to text."""

    cues: tuple[Cue, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Judge:
    """The voices' own probabilities of `options` after their cues. Gets an OptionDistribution for each cue."""

    cues: tuple[Cue, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Show:
    """The answer to `question`, which is there as a whole. Gets None."""

    question: Wording
    text: str


@dataclass(frozen=True, slots=True)
class Warn:
    """A sentence for the user. Gets None."""

    sentence: str


Step = (
    Reserve | Lean | Consult | Draw | Weigh | Write | WriteEach | Compose | Entail | Rejoin | RoundOver | Propose
    | Judge | Show | Warn | Selected | PositionsProgress | ValuesProgress
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answered:
    """The end: a text, or the options' shares (`text` is then empty). `question` is the prompt that this answers."""

    question: Wording
    text: str = ""
    distribution: Aggregate | None = None
    selection: Selection | None = None
    window: Window | None = None
    draws: Draws | None = None
    agreement: Agreement | None = None


Steps = Generator[Step, Any, Answered]


def is_optional(step: Step) -> bool:
    """Whether there is an answer without it, so that its failure is thrown into the algorithm."""
    positions = isinstance(step, Weigh | Write | WriteEach) and step.stage == "positions"
    return positions or isinstance(step, Entail | Draw | Rejoin | Lean)
