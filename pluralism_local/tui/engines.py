"""The open engines: one for the LLM and the communities, or two where the LLM is remote or another was named.

    settings ──Engines.use──> open what is missing, then close what is no longer needed ──> Handles

The new engine is opened before the old one is closed, so that a name that leads nowhere leaves everything as it
was; for a moment both are in memory. Lives in the worker's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pluralism_local import wiring
from pluralism_local.tui.state import ENGINE_SETTINGS

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel

Tell = Callable[[str], None]
Opener = Callable[[str, "Settings", Tell], "LanguageModel"]


class Engines:
    """Engines by what they were opened with.

    Args:
        communities_model: the model that the communities run on; None for the LLM's own, or where the LLM is
            remote for `default_local`.
        opener: opens one engine; a test's own, or `wiring.open_engine`.
    """

    def __init__(
        self, communities_model: str | None, default_local: str, opener: Opener = wiring.open_engine
    ) -> None:
        self._communities_model = communities_model
        self._default_local = default_local
        self._open_one = opener
        self._open: dict[str, LanguageModel] = {}

    @property
    def any(self) -> bool:
        """Whether there is an engine that can be asked."""
        return bool(self._open)

    def use(self, settings: Settings, *, communities: bool, status: Tell) -> wiring.Handles:
        """The engines for these settings; `communities` says whether the mode asks any.

        Raises: as `wiring.open_engine`; the engines that were open before stay so.
        """
        names = [settings.model]
        if communities:
            names.append(self._communities_name(settings))
        wanted = {_key(name, settings): name for name in names}
        before = dict(self._open)
        try:
            for key, name in wanted.items():
                if key not in self._open:
                    self._open[key] = self._open_one(name, settings, status)
        except BaseException:
            self._close_all_but(before)
            raise
        # a second model is kept while modes without communities run: opening it again would take longer
        keep = {**wanted, _key(self._communities_name(settings), settings): ""}
        self._close_all_but(keep)
        llm = self._open[_key(settings.model, settings)]
        return wiring.Handles(llm, self._open[_key(names[-1], settings)])

    def close(self) -> None:
        """Close all of them."""
        self._close_all_but({})

    def _communities_name(self, settings: Settings) -> str:
        if self._communities_model:
            return self._communities_model
        return wiring.communities_model(settings, self._default_local)

    def _close_all_but(self, keep: dict[str, object] | dict[str, str] | dict[str, LanguageModel]) -> None:
        for key in [key for key in self._open if key not in keep]:
            self._open.pop(key).close()


def _key(name: str, settings: Settings) -> str:
    values = [getattr(settings, field) for field in ENGINE_SETTINGS if field != "model"]
    return f"{wiring.engine_name(name, settings)} {values!r}"
