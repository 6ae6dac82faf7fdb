"""The vocabulary: frozen values that travel between the rooms. No behaviour beyond checking themselves.

Request ──> LanguageModel.generate ──> TextStarted, TextDelta…, TextDone          (engine events, per request)
OptionRequest ──> LanguageModel.distribution ──> OptionDistribution               (one per request)
Ask ──> a mode ──> CommentStarted, CommentDelta…, CommentDone, Selected, AnswerDelta…, Result    (mode events)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import ModeName as ModeName

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "cancelled"]
MAX_THREADS = 512
"""CPU threads that llama.cpp has room for; with many more it ends the process."""

Activation = Literal["always", "assistant"]
DistributionMethod = Literal["exact", "top_logprobs", "scripted", "uniform"]

LLM_VOICE = "llm"
"""The LLM's name among the voices of a conversation; the others are the communities' ids."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        recurring: how many characters of `content`, from its first, do not depend on what is asked or was said: words
            of a card or of this program. What a model reads of these may be kept on the disk; 0 keeps nothing.
    """

    role: Role
    content: str
    recurring: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: ≥ 0; 0 is greedy (argmax), 1 the model's own distribution.
        top_p: in (0, 1]; keep the smallest set of tokens with at least this mass. Ignored when greedy.
        max_tokens: ≥ 1, new tokens at most.
        seed: ≥ 0; the same seed, plan and machine give the same text.
        stop: texts that end the answer; they are not part of it.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 100):
            raise InvalidInput(
                f"The temperature must lie between 0 and 100, got {self.temperature}.",
                "Use 0 for greedy decoding, 1 for the model's own distribution.",
            )
        if not 0 < self.top_p <= 1:
            raise InvalidInput(f"top-p must lie in (0, 1], got {self.top_p}.", "Use 1 to keep every token.")
        if self.max_tokens < 1:
            raise InvalidInput(
                f"The number of new tokens must be at least 1, got {self.max_tokens}.",
                "Leave --max-tokens out for the default.",
            )
        if not 0 <= self.seed < 2**32:
            raise InvalidInput(f"The seed must lie between 0 and 4294967295, got {self.seed}.")
        if any(not text for text in self.stop):
            raise InvalidInput("A stop text must not be empty.")


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """A LoRA adapter at a scale, as an engine needs it.

    Attributes:
        path: GGUF file of the adapter.
        sha256: hex digest of that file; the adapter's identity everywhere (KV keys, records).
        scale: finite; 0 is the base model itself, exactly.
        activation: ``"always"`` acts on the whole prompt; ``"assistant"`` (activated LoRA) acts only from the
            first assistant header on, so that everything before is the base's own; in a conversation its own
            earlier answers stay its own.
    """

    path: Path
    sha256: str
    scale: float = 1.0
    activation: Activation = "always"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and abs(self.scale) <= 100):
            raise InvalidInput(f"An adapter's scale must be a number between -100 and 100, got {self.scale}.")


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a reply must look like, from its first character to its last.

    Attributes:
        gbnf: rules in llama.cpp's notation; a text begins at ``root``.
        schema: the JSON schema that they were made from (see `engine.json_grammar`), for servers that take that.
    """

    gbnf: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One text to generate: a conversation, how to sample, and through which adapter (None: the base).

    `keep` asks the engine to remember the finished sequence, so that a follow-up turn re-decodes nothing. Under a
    `grammar` the text ends where that is complete, unless `max_tokens` or a stop text cuts it off before.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    adapter: AdapterRef | None = None
    keep: bool = False
    grammar: Grammar | None = None


@dataclass(frozen=True, slots=True)
class OptionRequest:
    """A conversation and the answers to weigh as its continuation.

    `options` are the texts scored right after the prompt: letters, comment numbers, or words of several
    tokens. At least two, all different after stripping.
    """

    messages: tuple[Message, ...]
    options: tuple[str, ...]
    adapter: AdapterRef | None = None

    def __post_init__(self) -> None:
        stripped = [option.strip() for option in self.options]
        if len(stripped) < 2:
            raise InvalidInput(f"At least two options are needed, got {len(stripped)}.")
        if not all(stripped):
            raise InvalidInput("An option must not be empty.")
        if len(set(stripped)) < len(stripped):
            raise InvalidInput("Two options are the same.", "Give each option once.")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or several requests.

    `prompt` is the length of the prompts; `reused` of these were not decoded again (shared prefixes and kept
    sequences); `completion` were generated.
    """

    prompt: int = 0
    reused: int = 0
    completion: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt, self.reused + other.reused, self.completion + other.completion
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished text.

    `seconds` is wall time from the first decoded prompt token to the last new one; `warnings` are sentences for the
    user about how it came to be, e.g. that a server took no seed. `thought` is what the model thought before it
    answered, where that can be told apart: no part of `text`, though its tokens count.
    """

    text: str
    finish: Finish
    usage: Usage
    seconds: float
    warnings: tuple[str, ...] = ()
    thought: str = ""


@dataclass(frozen=True, slots=True)
class OptionDistribution:
    """Probabilities over options.

    Attributes:
        options: as requested, in that order.
        p: same length, sums to 1 (normalised over the options). Uniform if no option had any mass
            (`method` is then ``"uniform"``).
        mass: same length, each in [0, 1]: the model's own probability of each option before normalising.
            Where a server hides it, the middle of `bounds`.
        unassigned_mass: 1 - sum(mass), in [0, 1]: probability of saying none of the options.
        bounds: same length, (low, high) of each mass; low == high when exact.
        method: how it was obtained.
        warnings: sentences for the user about how it was obtained.
    """

    options: tuple[str, ...]
    p: tuple[float, ...]
    mass: tuple[float, ...]
    unassigned_mass: float
    bounds: tuple[tuple[float, float], ...]
    method: DistributionMethod
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answered.

    Attributes:
        id: the name the user would give to get it again.
        backend: ``"llama.cpp"``, ``"remote"`` or ``"scripted"``.
        sha256: hex digest of the model file; None for a remote model.
        fingerprint: hash of tensor names, shapes and tokenizer, equal for every quantization; None if unknown.
        context: tokens the model can hold; None if unknown.
        weights: the type of the copy that runs in place of the file, e.g. ``"Q8_0"``; None for the file itself.
        plan: eight hex digits of how it runs on this machine (threads, batches), which rounding goes by; None if not
            local.
    """

    id: str
    backend: str
    sha256: str | None = None
    fingerprint: str | None = None
    context: int | None = None
    weights: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class TextStarted:
    """Request `index` has its prompt decoded: `prompt_tokens`, of which `reused_tokens` cost nothing."""

    index: int
    prompt_tokens: int
    reused_tokens: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of request `index`; never empty, always whole characters."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class TextWithdrawn:
    """What was given of request `index` so far turned out to be thought, and no part of its text."""

    index: int


@dataclass(frozen=True, slots=True)
class TextDone:
    """Request `index` is finished; its text is the concatenation of its deltas since the last `TextWithdrawn`."""

    index: int
    completion: Completion


EngineEvent = TextStarted | TextDelta | TextWithdrawn | TextDone


@dataclass(frozen=True, slots=True)
class Comment:
    """What one community said.

    `problem` is None, ``"empty"`` (nothing but white space) or ``"cut off"`` (ended by the token limit) or
    ``"stopped"`` (the user stopped it); it is reported, never hidden. `thought` is no part of `text`.
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
    said: str = ""
    several: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The distributional answer: d = Σ w_i d_i (Modular Pluralism §2).

    Attributes:
        options: the answers' texts, in the user's order.
        p: sums to 1.
        per_community: community id to its own normalised distribution d_i; empty for the baselines.
        weights: community id to w_i, summing to 1; empty for the baselines.
        unassigned_mass: Σ w_i · (mass outside the options given m_i), in [0, 1].
        entropy_nats: −Σ p ln p, in [0, ln n].
        method: of the weakest distribution that went in.
        bounds: (low, high) of each option's normalised probability; None when exact.
        stand_ins: ids of the communities after whose comments no option had any probability: their d_i are even
            and say nothing.
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
        asked: by voice (a community's id, or `LLM_VOICE`) the user message as that voice was really sent it.
        said: by voice its reply, to the character as it came, so that a follow-up continues the voice's own
            sequence without decoding it again.

    `asked` and `said` name the same voices: those that spoke. Any other gets `prompt` and `answer` instead.
    """

    prompt: str
    answer: str
    asked: Mapping[str, str]
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a mode's events: everything a front end needs to show or to keep.

    Attributes:
        answer: the LLM's text; for distributional the most probable option's text.
        usage: tokens by role, ``"communities"`` and ``"llm"``.
        seconds: wall time by stage, ``"comments"``, ``"selection"``, ``"answer"``, ``"total"``.
        prompts: name and version of every prompt used, e.g. ``"overton.synthesis@1"``.
        warnings: sentences for the user.
        complete: False when something was stopped or failed and the rest was kept.
        turn: this exchange, for `Ask.turns`; None if there is nothing to go on from (no answer).
        thought: what the LLM thought before it answered; no part of the answer, nor of the turn.
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


ModeEvent = CommentStarted | CommentDelta | CommentDone | Selected | AnswerDelta | AnswerWithdrawn | Result
