"""Many questions to a model at once, where one that fails must not take the others with it.

    requests ──Asker.texts──> Completion | RequestFailure, each      option requests ──Asker.distributions──> the same

All go into one call, which is what engines are fast at. If that raises, each is asked alone, so that only the guilty
one fails; a remote server that fails `PATIENCE` requests in a row is given up, and its error is raised. One that does
not take a request, withholds its answer or has nothing to say has not failed: it is given up only where it took none
of a call and never answered before, since then it is asked in a way that it does not understand. Before every
call the engine forgets what it kept: numbers then depend on the batch alone and not on what was asked before it, which
is what makes a resumed run equal to an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import (
    AnswerWithheld,
    ContextOverflow,
    DamagedWeights,
    EngineFailure,
    NothingToWeigh,
    PlocalError,
    RemoteFailure,
    RequestRefused,
)
from pluralism_local.types import Completion, OptionDistribution, OptionRequest, Request, TextDone

PATIENCE = 3

_NOT_TAKEN = (RequestRefused, NothingToWeigh)
_LASTING = (AnswerWithheld, DamagedWeights)
_FAILURES = (ContextOverflow, EngineFailure, RemoteFailure, *_NOT_TAKEN)
_Asked = TypeVar("_Asked")
_Got = TypeVar("_Got")


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why a request got no answer: the error's code and its sentence.

    Attributes:
        may_pass: whether the same request may be answered another time: a server was down, or memory ran out. What was
            read from a journal does not say so.
    """

    code: str
    message: str
    may_pass: bool = field(default=False, compare=False)

    def record(self) -> dict[str, Any]:
        """``{"error": {"code": …, "message": …}}``, as journals and answers have it."""
        return {"error": {"code": self.code, "message": self.message}}


def failure_in(record: Mapping[str, Any]) -> RequestFailure | None:
    """The failure that a checked record of a journal tells of; None where it tells of none."""
    error = record.get("error")
    return None if error is None else RequestFailure(error["code"], error["message"])


class Asker:
    """An engine, asked in batches.

    Args:
        has_answered: whether it did before, in what is now gone on with.
    """

    def __init__(self, engine: LanguageModel, *, has_answered: bool = False) -> None:
        self._engine = engine
        self._has_answered = has_answered

    def texts(self, requests: Sequence[Request]) -> list[Completion | RequestFailure]:
        """A completion or a failure per request, in order.

        Raises:
            PlocalError: a mistake of the caller (an adapter that does not fit), or a server that is down.
        """
        return self._all_or_each(requests, self._generate)

    def distributions(self, requests: Sequence[OptionRequest]) -> list[OptionDistribution | RequestFailure]:
        """As `texts`, for probabilities of options."""

        def ask(part: Sequence[OptionRequest]) -> list[OptionDistribution]:
            self._engine.forget()
            return self._engine.distribution(part)

        return self._all_or_each(requests, ask)

    def _generate(self, requests: Sequence[Request]) -> list[Completion]:
        done: dict[int, Completion] = {}
        self._engine.forget()
        for event in self._engine.generate(requests):
            if isinstance(event, TextDone):
                done[event.index] = event.completion
        return [done[index] for index in range(len(requests))]

    def _all_or_each(
        self, requests: Sequence[_Asked], ask: Callable[[Sequence[_Asked]], list[_Got]]
    ) -> list[_Got | RequestFailure]:
        if not requests:
            return []
        try:
            replies = [*ask(requests)]
        except _FAILURES:
            return self._each(requests, ask)
        self._has_answered = True
        return [*replies]

    def _each(
        self, requests: Sequence[_Asked], ask: Callable[[Sequence[_Asked]], list[_Got]]
    ) -> list[_Got | RequestFailure]:
        replies: list[_Got | RequestFailure] = []
        down = refused = 0
        for request in requests:
            try:
                replies += ask([request])
                down, self._has_answered = 0, True
            except _FAILURES as error:
                is_down = isinstance(error, RemoteFailure) and not isinstance(error, AnswerWithheld)
                down = down + 1 if is_down else 0
                refused += isinstance(error, _NOT_TAKEN)
                if down == PATIENCE or (refused == len(requests) and not self._has_answered):
                    raise
                replies.append(failure_of(error))
        return replies


def failure_of(error: PlocalError) -> RequestFailure:
    """The error as an answer's place holds it."""
    may_pass = isinstance(error, EngineFailure | RemoteFailure) and not isinstance(error, _LASTING)
    return RequestFailure(
        error.code, " ".join(part for part in (error.message, error.hint) if part), may_pass
    )
