"""Settings as a form knows them: groups, labels, the texts they are typed as, and what is wrong with a text.

Settings ──shown──> {name: text}        name, text ──value_of──> the checked value | InvalidInput
texts ──changed──> {name: value} of those that differ
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput

GROUPS: dict[str, tuple[str, ...]] = {
    "Answer": ("temperature", "top_p", "max_tokens", "seed", "orders"),
    "Comments": ("comment_temperature", "comment_top_p", "comment_max_tokens", "take_sides"),
    "Model": ("ctx_size", "threads", "gpu_layers", "template", "weights", "prefixes"),
    "This program": ("offline",),
}
ELSEWHERE = frozenset({"model", "pool", "mode", "aliases", "community_paths", "remote"})
"""Settings that have screens, keys, commands or tables of the config file of their own."""

LABELS = {
    "top_p": "Top-p",
    "max_tokens": "Tokens at most",
    "comment_temperature": "Temperature",
    "comment_top_p": "Top-p",
    "comment_max_tokens": "Tokens at most",
    "ctx_size": "Context, tokens",
    "gpu_layers": "GPU layers",
    "orders": "Option orders",
    "logging": "Keep a history",
}


def groups() -> dict[str, tuple[str, ...]]:
    """The settings of the form by group; what no group names comes last."""
    named = {name for names in GROUPS.values() for name in names} | ELSEWHERE
    others = tuple(name for name in Settings.model_fields if name not in named)
    *_, last = GROUPS
    return {title: names + others if title == last else names for title, names in GROUPS.items()}


def label(name: str) -> str:
    """What the setting is called in its group."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def choices(name: str) -> tuple[str, ...]:
    """All values a setting can have, as texts; empty where they are not few."""
    annotation = Settings.model_fields[name].annotation
    if annotation is bool:
        return ("true", "false")
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def as_typed(value: object) -> str:
    """A value as it is typed, and as `config.set_value` reads it."""
    if value is None:
        return "auto"
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_of(name: str, text: str) -> Any:
    """The value that a text means.

    Raises: InvalidInput with the description that `Settings` has of the field.
    """
    try:
        return getattr(Settings.model_validate({name: text.strip()}), name)
    except (ValidationError, OverflowError):
        expected = Settings.model_fields[name].description
        raise InvalidInput(f"{name} must be {expected}.") from None


def changed(settings: Settings, texts: Mapping[str, str]) -> dict[str, object]:
    """The checked values of those texts that mean something else than the settings have.

    Raises: InvalidInput for the first text that will not do.
    """
    values = {name: value_of(name, text) for name, text in texts.items()}
    return {name: value for name, value in values.items() if value != getattr(settings, name)}


def overridden(origin: str) -> str:
    """A sentence if what is saved will not count while something stronger says otherwise; else empty."""
    if origin.startswith(("PLOCAL_", "--", "./")):
        return f"{origin} overrides what is saved here; a change counts until the chat ends."
    return ""
