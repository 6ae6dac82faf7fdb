"""What an engine is asked and what it gives: frozen values that check themselves and do nothing else.

Request ──> LanguageModel.generate ──> TextStarted, TextDelta…, TextDone          (events, per request)
OptionRequest ──> LanguageModel.distribution ──> OptionDistribution               (one per request)

What modes make of these is in `results`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "cancelled"]
MAX_THREADS = 512
"""CPU threads that llama.cpp has room for; with many more it ends the process."""

Activation = Literal["always", "assistant"]
DistributionMethod = Literal["exact", "top_logprobs", "samples", "scripted", "uniform"]


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
        header: what whoever checked the file read of it, so that an engine need not read it again; no part of the
            adapter's identity. None: not read yet.
    """

    path: Path
    sha256: str
    scale: float = 1.0
    activation: Activation = "always"
    header: GGUFHeader | None = field(default=None, compare=False, repr=False)

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

    `keep` asks the engine to remember the finished sequence, so that a follow-up turn re-decodes nothing. `lingers`
    says that other requests, which begin alike, come soon: what was read of the prompt is remembered for them as long
    as nothing else needs the room. Under a `grammar` the text ends where that is complete, unless `max_tokens` or a
    stop text cuts it off before.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    adapter: AdapterRef | None = None
    keep: bool = False
    grammar: Grammar | None = None
    lingers: bool = False


@dataclass(frozen=True, slots=True)
class OptionRequest:
    """A conversation and the answers to weigh as its continuation.

    `options` are the texts scored right after the prompt: letters, comment numbers, or words of several
    tokens. At least two, all different after stripping. `lingers` as in a `Request`.
    """

    messages: tuple[Message, ...]
    options: tuple[str, ...]
    adapter: AdapterRef | None = None
    lingers: bool = False

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

    def record(self) -> dict[str, int]:
        """As results and journals have it."""
        return {"prompt": self.prompt, "reused": self.reused, "completion": self.completion}


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


Side = Literal["yes", "no"]
"""An answer that a voice gives reasons for; see `modes.leanings`."""


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
        bounds: same length, (low, high) of each mass; low == high when exact. Of answers that were counted the 95 %
            interval (Wilson's).
        method: how it was obtained.
        warnings: sentences for the user about how it was obtained.
        n: how many answers were drawn and counted; None where probabilities were read.
    """

    options: tuple[str, ...]
    p: tuple[float, ...]
    mass: tuple[float, ...]
    unassigned_mass: float
    bounds: tuple[tuple[float, float], ...]
    method: DistributionMethod
    warnings: tuple[str, ...] = ()
    n: int | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answered.

    Attributes:
        id: the name the user would give to get it again.
        backend: ``"llama.cpp"``, ``"remote"``, ``"scripted"`` or ``"kaleido"``.
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
