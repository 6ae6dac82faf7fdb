"""What each persona says to any question on a model, measured once and remembered.

    model, persona, prompts ──key──> Habits.find ──> mean log-odds of yes over `REFERENCE`, or None: not measured yet
                                     Habits.keep ──> a JSON file of its own

A file that cannot be read or written is as good as none: the habit is measured again.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

from pluralism_local.display.figures import finite
from pluralism_local.errors import InvalidInput
from pluralism_local.files import digest, write_atomic
from pluralism_local.modes.leanings.reference import REFERENCE
from pluralism_local.modes.steps import Voice
from pluralism_local.prompts import LEANING
from pluralism_local.types import ModelInfo

HABITS = "habits"
"""The folder's name where `pluralism_local.cache` lists it."""


class Habits:
    """Habits by model and persona, each in a file of its own.

    Args:
        folder: where they are remembered; None for this object's lifetime alone.
        template: how prompts are templated, which probabilities depend on.
        reads_only: nothing is written into the folder.
    """

    def __init__(
        self, folder: Path | None = None, template: str = "auto", *, reads_only: bool = False
    ) -> None:
        self._folder, self._template, self._reads_only = folder, template, reads_only
        self._known: dict[str, float] = {}

    def key(self, model: ModelInfo, voice: Voice) -> str:
        """All that the voice's habit depends on: its persona as the card has it, and no adapter."""
        file = model.sha256 or f"{model.backend}:{model.id}"
        return digest(
            [file, model.weights, self._template, voice.member.community.persona, LEANING.id, REFERENCE]
        )[:24]

    def find(self, key: str) -> float | None:
        """Mean log-odds of yes; None where it is not known."""
        if key not in self._known and (stored := self._read(key)) is not None:
            self._known[key] = stored
        return self._known.get(key)

    def measured(self, key: str, measure: Callable[[], float]) -> float:
        """What is known; else what `measure` gives, which is remembered."""
        habit = self.find(key)
        if habit is None:
            habit = measure()
            self.keep(key, habit)
        return habit

    def copied(self) -> Habits:
        """What is known, to be read; what is measured with it is remembered nowhere else."""
        copy = Habits(self._folder, self._template, reads_only=True)
        copy._known = dict(self._known)
        return copy

    def keep(self, key: str, habit: float) -> None:
        """Remember what was measured."""
        self._known[key] = habit
        if self._folder is not None and not self._reads_only and math.isfinite(habit):
            with contextlib.suppress(OSError, InvalidInput):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomic(self._folder / f"{key}.json", json.dumps({"log_odds_of_yes": habit}) + "\n")

    def _read(self, key: str) -> float | None:
        if self._folder is None:
            return None
        try:
            record = json.loads((self._folder / f"{key}.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return finite(record.get("log_odds_of_yes")) if isinstance(record, dict) else None
