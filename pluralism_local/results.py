"""What a mode gives: frozen values, from a community's comment to the whole result.

Ask ──> a mode ──> CommentStarted, CommentDelta…, CommentDone, Selected, AnswerDelta…, Result    (events, in this order)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pluralism_local.agreement import Agreement, Change, JuryStarted, RoundStarted
from pluralism_local.mode_specs import ModeName
from pluralism_local.progress import DrawsProgress, LeaningsProgress, PositionsProgress, ValuesProgress
from pluralism_local.types import DistributionMethod, Finish, ModelInfo, Sampling, Side, Usage

LLM_VOICE = "llm"
"""The LLM's name among the voices of a conversation; the others are the communities' ids."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What one community said.

    `problem` is None, ``"empty"`` (nothing but white space), ``"cut off"`` (by the token limit) or ``"stopped"`` (by
    the user); it is reported, never hidden. `thought` is no part of `text`. `side` is the answer it gives reasons for.
    """

    community: str
    text: str
    finish: Finish
    usage: Usage
    seconds: float
    weight: float | None = None
    adapter_sha256: str | None = None
    scale: float | None = None
    problem: Literal["empty", "cut off", "stopped"] | None = None
    thought: str = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which community the LLM chose (steerable, moe).

    `probabilities` maps community id to probability (sums to 1) when the LLM gives them, else None.
    `method` is ``"probabilities"``, ``"parsed"`` (read from the LLM's words), ``"fallback"`` (the words named
    none; the pool's first community by weight, then by order, was taken) or ``"only"`` (there was one, and nobody was
    asked). `several`: the words named several, and the last was taken.
    """

    community: str
    method: Literal["probabilities", "parsed", "fallback", "only"]
    probabilities: dict[str, float] | None = None
    words: str = ""
    several: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The distributional answer: d = Σ w_i d_i (Modular Pluralism §2).

    Attributes:
        options: the answers' texts, in the user's order.
        p: sums to 1.
        per_community: community id to its own normalised distribution d_i; empty for the baselines.
        weights: community id to w_i, summing to 1; empty for the baselines.
        unassigned_mass: Σ w_i · (mass outside the options given m_i), in [0, 1]; NaN where it is not known.
        entropy_nats: −Σ p ln p, in [0, ln n].
        method: of the weakest distribution that went in.
        bounds: (low, high) of each option's normalised probability; None when exact. Of answers that were counted it
            is made of 95 % intervals.
        n: how many answers were drawn and counted for it, over all communities; None where probabilities were read.
        stand_ins: communities after whose comments no option had any probability: their d_i are even and say nothing.
        orders: which option, from 0, stood at each place, by order. by_order: the shares in each; p is their mean.
        order_effect: mean total variation distance of these from p; None for one order. order_effects: by community.
    """

    options: tuple[str, ...]
    p: tuple[float, ...]
    per_community: dict[str, tuple[float, ...]]
    weights: dict[str, float]
    unassigned_mass: float
    entropy_nats: float
    method: DistributionMethod
    bounds: tuple[tuple[float, float], ...] | None = None
    stand_ins: tuple[str, ...] = ()
    n: int | None = None
    orders: tuple[tuple[int, ...], ...] = ()
    by_order: tuple[tuple[float, ...], ...] = ()
    order_effect: float | None = None
    order_effects: dict[str, float] = field(default_factory=dict)


Stance = Literal["supports", "opposes", "silent"]
Finder = Literal["llm", "sentences"]
StanceMethod = Literal["entailment", "llm"]


@dataclass(frozen=True, slots=True)
class Position:
    """One claim about the question that at least one comment supports.

    Attributes:
        id: eight hex digits of its text: the same claim has the same id in every ask.
        text: a sentence.
        support: by voice the probability, in [0, 1], that its comment supports the claim.
        opposition: by voice the probability, in [0, 1], that its comment opposes it.
        stance: by voice what the two come to.
        in_answer: whether a sentence of the answer states it; None where there is no answer to look into.
    """

    id: str
    text: str
    support: Mapping[str, float]
    opposition: Mapping[str, float]
    stance: Mapping[str, Stance]
    in_answer: bool | None = None

    @property
    def supporters(self) -> tuple[str, ...]:
        """The voices that support it, in the pool's order."""
        return self.holders("supports")

    def holders(self, stance: Stance) -> tuple[str, ...]:
        """The voices of this stance, in the pool's order."""
        return tuple(voice for voice, taken in self.stance.items() if taken == stance)


@dataclass(frozen=True, slots=True)
class Mark:
    """That a sentence of the answer names a voice as its source.

    Attributes:
        sentence: its number among the answer's sentences, from 1.
        p: the probability, in [0, 1], that the voice's comment supports the sentence.
        verified: whether that suffices.
    """

    sentence: int
    voice: str
    p: float
    verified: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The positions that an ask's comments span.

    Attributes:
        positions: at most twelve, the most supported first.
        voices: those that commented, in the pool's order.
        finder: whence the claims are: the authors' words or what the "llm" told of them, or "sentences" of comments.
        method: whose probabilities the stances are: the "entailment" scorer's or the "llm"'s own.
        dropped: claims that no comment supports, and that are no positions therefore.
        merged: claims that said the same as another.
        beyond: claims more than there is room for.
        marks: of an answer that names its sources.
    """

    positions: tuple[Position, ...]
    voices: tuple[str, ...]
    finder: Finder
    method: StanceMethod
    dropped: int = 0
    merged: int = 0
    beyond: int = 0
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A share that was counted, and its 95 % interval; all in [0, 1]."""

    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DrawnPosition:
    """A position that drawn comments take; every comment takes one at most.

    Attributes:
        id, text: as a `Position`'s; the text is a sentence of one of the comments.
        counts: by voice, how many of its comments take it.
        shares: by voice, what that is of its comments (Wilson's interval).
        share: of the pool, its voices weighed as its weights say (their intervals combined, see `proportions`).
    """

    id: str
    text: str
    counts: Mapping[str, int]
    shares: Mapping[str, Share]
    share: Share


@dataclass(frozen=True, slots=True)
class Draws:
    """Several comments of every voice, and how they spread over positions: a distribution over free text.

    Attributes:
        n: comments of each voice, at least 2.
        comments: by voice its `n` texts, in the order of drawing; the first is the one that the answer was made of.
        weights: by voice, sum to 1.
        positions: those taken, the most common in the pool first.
        silent: by voice its comments that claim nothing: empty ones and refusals.
        entropy_nats: of the pool's shares, −Σ p ln p over positions and silence.
        unseen: share of the comments that stand alone in their position. That estimates, after Good (1953), how
            probable it is that the next comment takes a position that none took.
        method: whose probabilities tell which comments say the same.
    """

    n: int
    comments: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, float]
    positions: tuple[DrawnPosition, ...]
    silent: Mapping[str, int]
    entropy_nats: float
    unseen: float
    method: StanceMethod


@dataclass(frozen=True, slots=True)
class Round:
    """What the voices said in a round.

    Attributes:
        number: 0 for the comments that everything began with.
        changes: what each voice did that was heard before; none in round 0.
        window: the positions that they were shown; None in round 0, and where they were shown each other's comments.
    """

    number: int
    comments: tuple[Comment, ...]
    changes: tuple[Change, ...] = ()
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class CommentStarted:
    """A community has read the question and begins to write."""

    community: str


@dataclass(frozen=True, slots=True)
class CommentDelta:
    """More text from a community."""

    community: str
    text: str


@dataclass(frozen=True, slots=True)
class CommentDone:
    """A community has finished."""

    comment: Comment


@dataclass(frozen=True, slots=True)
class Selected:
    """The LLM has chosen a community."""

    selection: Selection


@dataclass(frozen=True, slots=True)
class AnswerDelta:
    """More of the LLM's answer."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerWithdrawn:
    """What was given of the LLM's answer so far turned out to be thought; the answer is still to come."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One finished exchange of a conversation.

    Attributes:
        prompt: what the user asked, as the user saw it.
        answer: what the user got, not blank; the LLM's text or the most probable option's.
        messages: by voice (a community's id, or `LLM_VOICE`) the user message as that voice was really sent it.
        replies: by voice its reply, to the character as it came, so that a follow-up continues the voice's own
            sequence without decoding it again.

    `messages` and `replies` name the same voices: those that spoke. Any other gets `prompt` and `answer` instead.
    """

    prompt: str
    answer: str
    messages: Mapping[str, str]
    replies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a mode's events: everything a front end needs to show or to keep.

    Attributes:
        answer: the LLM's text; for distributional the most probable option's text, for a jury the chosen statement.
        comments: the last that each voice said.
        usage: tokens by role, ``"communities"`` and ``"llm"``.
        seconds: wall time by stage (see `mode_specs.Stage`), and ``"total"``.
        prompts: name and version of every prompt used, e.g. ``"overton.synthesis@1"``.
        warnings: sentences for the user.
        complete: False when something was stopped or failed and the rest was kept.
        turn: this exchange, for `Ask.turns`; None if there is nothing to go on from (no answer).
        thought: what the LLM thought before it answered; no part of the answer, nor of the turn.
        window: the positions of the comments; None where nobody looked for them.
        draws: further comments of every voice, and their positions; None where none were drawn.
        rounds: from the first comments on; empty where nobody commented again.
        agreement: what the voices made of statements; None where they judged none.
    """

    mode: ModeName
    prompt: str
    answer: str
    comments: tuple[Comment, ...]
    llm: ModelInfo
    communities_model: ModelInfo | None
    answer_sampling: Sampling
    comment_sampling: Sampling
    pool: str | None = None
    attribute: str | None = None
    selection: Selection | None = None
    distribution: Aggregate | None = None
    usage: dict[str, Usage] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    finish: Finish = "stop"
    complete: bool = True
    turn: Turn | None = None
    thought: str = ""
    window: Window | None = None
    draws: Draws | None = None
    rounds: tuple[Round, ...] = ()
    agreement: Agreement | None = None


ModeEvent = (
    CommentStarted | CommentDelta | CommentDone | RoundStarted | JuryStarted | Selected | AnswerDelta | AnswerWithdrawn
    | LeaningsProgress | PositionsProgress | DrawsProgress | ValuesProgress | Result
)  # fmt: skip
