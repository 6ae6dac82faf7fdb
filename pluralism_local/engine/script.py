"""What a scripted model is told to say: a script of replies and of options' masses.

    JSON ──read_script──> Script ──first_match(entries, conversation)──> the entry that applies | None

A script is {"replies": [{"match": "substring", "text": "…"}, {"pattern": "regex", "text": "…"}],
"distributions": [{"match": "…", "mass": {"A": 0.5, "B": 0.2}}]}; entries are tried in order against the
conversation written as ``role: content`` lines, with ``adapter: <sha256>`` last where there is one. A pattern has no
limit of time: one that never ends is its author's own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.types import AdapterRef, Message


class ScriptEntry(BaseModel):
    """Where an entry applies: exactly one of `match` (a substring) and `pattern` (a regular expression)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: str | None = None
    pattern: re.Pattern[str] | None = None

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.match is None) == (self.pattern is None):
            raise ValueError("give either 'match' or 'pattern'")
        return self

    def applies(self, text: str) -> bool:
        """Whether the conversation `text` has it."""
        if self.pattern is not None:
            return self.pattern.search(text) is not None
        return self.match is not None and self.match in text


EntryT = TypeVar("EntryT", bound=ScriptEntry)


class ScriptedReply(ScriptEntry):
    """A reply, to the letter."""

    text: str


class ScriptedMasses(ScriptEntry):
    """By option its probability in [0, 1], in sum at most 1; 0 for any other."""

    mass: dict[str, float]

    @field_validator("mass")
    @classmethod
    def _is_probability(cls, mass: dict[str, float]) -> dict[str, float]:
        if any(not 0 <= value <= 1 for value in mass.values()) or sum(mass.values()) > 1 + 1e-9:
            raise ValueError("masses lie in [0, 1] and sum to at most 1")
        return mass


class Script(BaseModel):
    """All entries; none of a kind leave it to the hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    replies: list[ScriptedReply] = []
    distributions: list[ScriptedMasses] = []


def read_script(path: Path) -> Script:
    """Read a script.

    Raises:
        NotFound: it is not there.
        InvalidInput: it is no script; the message names the place.
    """
    try:
        return Script.model_validate_json(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except FileNotFoundError as error:
        raise NotFound(f"The script {path} is not there.", "Name a JSON file after 'scripted:'.") from error
    except OSError as error:
        raise InvalidInput(f"The script {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInput(
            f"The script {path} is not valid at {place}: {first['msg']}.",
            'It looks like {"replies": [{"match": "…", "text": "…"}], "distributions": []}.',
        ) from error


def first_match(
    entries: Sequence[EntryT], messages: tuple[Message, ...], adapter: AdapterRef | None
) -> EntryT | None:
    """The first entry that applies to the conversation with `adapter`, None for the base."""
    lines = [f"{message.role}: {message.content}" for message in messages]
    if adapter is not None:
        lines.append(f"adapter: {adapter.sha256}")
    text = "\n".join(lines)
    return next((entry for entry in entries if entry.applies(text)), None)
