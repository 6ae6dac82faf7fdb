"""The seam between the modes and whatever runs a language model.

A mode holds two handles of this type, `communities` and `llm`; they may be one object. Implementations:
`llama.LlamaEngine` (a GGUF in this process, adapters swapped in place), `remote.RemoteEngine` (an
OpenAI-compatible server, a black box), `scripted.ScriptedEngine` (deterministic, for demonstrations and tests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from pluralism_local.types import (
    AdapterRef,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
)

ShouldStop = Callable[[], bool]


def never() -> bool:
    """The default `should_stop`: go on."""
    return False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; callers ask before they plan.

    Attributes:
        adapters: requests may carry an `AdapterRef`.
        distribution: ``"exact"``, ``"bounded"`` (only the most probable tokens are seen) or ``"none"``.
        batched: many requests in one call are cheaper than one after the other.
        counts_tokens: `count_tokens` answers.
        grammars: what `Request.grammar` may be: ``"gbnf"`` any, ``"json"`` one made from a JSON schema, ``"none"``. A
            server may turn out to take more, or less.
        only_continues: a base model: it was trained to go on with a text, and not to answer.
    """

    adapters: bool
    distribution: Literal["exact", "bounded", "none"]
    batched: bool
    counts_tokens: bool
    grammars: Literal["gbnf", "json", "none"] = "none"
    only_continues: bool = False


class LanguageModel(Protocol):
    """A language model that serves lists of requests. One call at a time; not re-entrant."""

    @property
    def info(self) -> ModelInfo:
        """Which model this is."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """Carry out `requests` together; events of different requests interleave, those of one are in order.

        Per request: one `TextStarted`, any number of `TextDelta`, one `TextDone`; where what was given turns out to be
        thought, a `TextWithdrawn` in between. Stopping (`should_stop` turns
        true) ends every unfinished request with a `TextDone` whose finish is ``"cancelled"`` and whose text is
        what there was. Closing the iterator cancels without further events. The engine stays usable.

        Raises:
            ContextOverflow: before anything is decoded, if a request cannot fit.
            Unsupported: a request needs a capability that is missing.
            Refused: an adapter does not belong to this model, or does nothing.
            NotFound, InvalidInput: an adapter file is missing or is no adapter; a grammar is none.
            EngineFailure, RemoteFailure: the backend failed.
        """

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """Next-text probabilities over each request's options, in the order of `requests`.

        Raises: as `generate`; `Cancelled` when `should_stop` turned true before all were done.
        """

    def distributions(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> Iterator[tuple[int, OptionDistribution]]:
        """As `distribution`, each with its place in `requests`, in any order and as soon as the engine has it."""
        yield from enumerate(self.distribution(requests, should_stop=should_stop))

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int | None:
        """Length of the prompt that `messages` make, header of the answer included; None if it cannot be known.

        Raises:
            Unsupported: `adapter` has nothing in that prompt to act from.
        """

    def forget(self) -> None:
        """Drop what is kept between calls: the next call's numbers then depend on its own requests alone."""

    def close(self) -> None:
        """Free everything. Closing twice is fine; using a closed engine raises EngineFailure."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
