"""The open engines: one for the LLM and the communities, or two where the LLM is remote or another was named.

    settings ──Engines.use──> open what is missing, then close what is no longer needed ──> Handles(llm, communities)
    open_handles: the same for a single ask, closed at its end

The new engine is opened before the old one is closed, so that a name that leads nowhere leaves everything as it
was; for a moment both are in memory. All calls come from one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pluralism_local import wiring

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.modes.leanings.habits import Habits

TellStatus = Callable[[str], None]
Opener = Callable[[str, "Settings", TellStatus], "LanguageModel"]

ENGINE_SETTINGS = (
    "model",
    "ctx_size",
    "gpu_layers",
    "threads",
    "template",
    "weights",
    "plan",
    "prefixes",
    "samples",
    "offline",
    "aliases",
)
"""Settings that an open engine cannot take on."""


def _none_known() -> Habits:
    from pluralism_local.modes.leanings.habits import Habits  # the chat's first screen does without the modes

    return Habits()


@dataclass(frozen=True, slots=True)
class Handles:
    """The engine that answers and the one the communities run on; may be the same object.

    `habits`: what personas say to any question, as it was measured before.
    """

    llm: LanguageModel
    communities: LanguageModel
    habits: Habits = field(default_factory=_none_known)


class Engines:
    """Engines by what they were opened with.

    Args:
        communities_model: the model that the communities run on; None for the LLM's own, or where the LLM is
            remote for `default_local`.
        opener: opens one engine; None for `wiring.open_engine`.
    """

    def __init__(
        self, communities_model: str | None, default_local: str, opener: Opener | None = None
    ) -> None:
        self._communities_model = communities_model
        self._default_local = default_local
        self._open_one = opener or wiring.open_engine
        self._open: dict[str, LanguageModel] = {}

    @property
    def any(self) -> bool:
        """Whether there is an engine that can be asked."""
        return bool(self._open)

    def use(self, settings: Settings, *, communities: bool, status: TellStatus) -> Handles:
        """The engines for these settings; `communities` says whether the mode asks any.

        Raises: as `wiring.open_engine`; the engines that were open before stay so.
        """
        names = [settings.model]
        if communities:
            names.append(self._communities_name(settings))
        needed = {_key(name, settings): name for name in names}
        before = dict(self._open)
        try:
            for key, name in needed.items():
                if key not in self._open:
                    self._open[key] = self._open_one(name, settings, status)
        except BaseException:
            self._close_all_but(before)
            raise
        # a second model is kept while modes without communities run: opening it again would take longer
        self._close_all_but({*needed, _key(self._communities_name(settings), settings)})
        llm = self._open[_key(settings.model, settings)]
        return Handles(llm, self._open[_key(names[-1], settings)], wiring.habits(settings))

    def close(self) -> None:
        """Close all of them."""
        self._close_all_but(())

    def _communities_name(self, settings: Settings) -> str:
        if self._communities_model:
            return self._communities_model
        return wiring.communities_model(settings, self._default_local)

    def _close_all_but(self, keep: Container[str]) -> None:
        for key in [key for key in self._open if key not in keep]:
            self._open.pop(key).close()


def _key(name: str, settings: Settings) -> str:
    values = [getattr(settings, field) for field in ENGINE_SETTINGS if field != "model"]
    return f"{wiring.engine_name(name, settings)} {values!r}"


@contextmanager
def open_handles(
    settings: Settings,
    *,
    communities: str | None,
    default_local: str,
    needed: bool,
    status: TellStatus,
    opener: Opener | None = None,
) -> Iterator[Handles]:
    """Open what an ask needs and close it afterwards.

    Args:
        communities: the name given with --communities-model, or None.
        default_local: what the communities run on when the LLM is remote and nothing was said.
        needed: whether the mode asks communities at all; if not, no second model is opened.
        status: told what is being opened.
        opener: opens one engine; None for `wiring.open_engine`.

    Raises: as `wiring.open_engine`.
    """
    engines = Engines(communities, default_local, opener)
    try:
        yield engines.use(settings, communities=needed, status=status)
    finally:
        engines.close()
